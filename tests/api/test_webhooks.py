"""Webhooks as their owners see them: made, changed, tested, deleted; and nobody else's."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from tests.support import webhook_calls
from tests.support.client import Json
from tests.support.factories import NO_DELIVERY, NO_JOB, NO_WEBHOOK, a_job
from tests.support.server_app import App
from tests.support.webhook_calls import ERRORS, WEBHOOK_FIELDS, hook, webhook
from tests.support.webhook_receiver import Receiver, receiving

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREATE = (
    f"mutation($input: CreateWebhookInput!) "
    f"{{ createWebhook(input: $input) {{ webhook {{ {WEBHOOK_FIELDS} }} secret {ERRORS} }} }}"
)


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncGenerator[Receiver]:
    """Somebody who accepts everything."""
    async with receiving() as receiver:
        yield receiver


async def refused(client: App, name: str, **fields: Any) -> list[Json]:
    """The errors of what must be refused; their messages are sentences."""
    shown = {"deleteWebhook": "deletedWebhookId", "testWebhook": "delivery { id }"}.get(name, "webhook { id }")
    payload = await client.mutate(name, f"{shown} {ERRORS}", **fields)
    errors: list[Json] = payload.pop("errors")
    assert set(payload.values()) == {None}
    assert errors, "it was accepted"
    for error in errors:
        assert error.pop("message").endswith(".")
    return errors


def invalid(*path: str, code: str = "VALIDATION_FAILED") -> Json:
    """An input that breaks a rule."""
    return {"__typename": "ValidationError", "code": code, "path": ["input", *path]}


def missing(field: str, missing_id: str) -> Json:
    """An id that leads nowhere."""
    return {"__typename": "NotFoundError", "code": "NOT_FOUND", "path": ["input", field], "id": missing_id}


async def test_one_is_made_and_its_secret_shown_once(shared: App, receiver: Receiver) -> None:
    """Types that are named twice count once, in the order given; no answer but the first holds the secret."""
    events = ["SCENE_FAILED", "JOB_SETTLED", "SCENE_FAILED"]
    payload = (await shared.execute(CREATE, input={"url": receiver.url, "events": events}))["createWebhook"]
    made = payload["webhook"]
    assert payload["errors"] == []
    assert payload["secret"].startswith("whsec_")
    assert made | {"createdAt": None} == {
        "id": made["id"],
        "url": receiver.url,
        "events": ["SCENE_FAILED", "JOB_SETTLED"],
        "jobId": None,
        "active": True,
        "disabledReason": None,
        "createdAt": None,
    }
    assert await webhook(shared, made["id"]) == made
    listed = (await shared.execute(f"{{ webhooks {{ {WEBHOOK_FIELDS} }} }}"))["webhooks"]
    assert made in listed
    update = await webhook_calls.mutate(shared, "updateWebhook", made["id"], "webhook { id } secret", active=True)
    assert update["secret"] is None


async def test_those_of_a_job_are_listed_by_it(shared: App, receiver: Receiver) -> None:
    """Those of all jobs are not among them."""
    made = await a_job(shared, "A kite")
    ours = await hook(shared, receiver.url, jobId=made.id)
    await hook(shared, receiver.url)
    document = "query($id: ID) { webhooks(jobId: $id) { id jobId } }"
    assert (await shared.execute(document, id=made.id))["webhooks"] == [{"id": ours.id, "jobId": made.id}]
    for nothing in (NO_JOB, "", "job_\0"):
        assert (await shared.execute(document, id=nothing))["webhooks"] == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"events": []}, [invalid("events")]),
        ({"url": ""}, [invalid("url")]),
        ({"url": "nonsense"}, [invalid("url")]),
        ({"url": "ftp://127.0.0.1/"}, [invalid("url")]),
        ({"url": "http://amy:secret@127.0.0.1/"}, [invalid("url")]),
        ({"url": "http://127.0.0.1/\0"}, [invalid("url")]),
        ({"url": "http://127.0.0.1/\x85"}, [invalid("url")]),
        ({"url": f"http://127.0.0.1/{'x' * 2048}"}, [invalid("url")]),
        ({"url": "http://10.0.0.1/"}, [invalid("url")]),
        ({"url": "http://169.254.169.254/latest/meta-data/"}, [invalid("url")]),
        ({"url": "http://[::ffff:10.0.0.1]/"}, [invalid("url")]),
        ({"jobId": NO_JOB}, [missing("jobId", NO_JOB)]),
        ({"jobId": "job_\0"}, [missing("jobId", "job_\0")]),
        ({"jobId": ""}, [missing("jobId", "")]),
        ({"events": [], "url": "nonsense"}, [invalid("events"), invalid("url")]),
    ],
)
async def test_what_cannot_be_made_is_refused(shared: App, fields: Json, expected: list[Json]) -> None:
    """All that is wrong at once, each with the input it is about; nothing is made."""
    before = await shared.execute("{ webhooks { id } }")
    usual: Json = {"url": "http://127.0.0.1/hook", "events": ["JOB_CREATED"]}
    assert await refused(shared, "createWebhook", **(usual | fields)) == expected
    assert await shared.execute("{ webhooks { id } }") == before


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"url": None}, [invalid("url")]),
        ({"url": "http://192.168.0.1/"}, [invalid("url")]),
        ({"events": None}, [invalid("events")]),
        ({"events": []}, [invalid("events")]),
        ({"active": None}, [invalid("active")]),
    ],
)
async def test_a_change_that_breaks_a_rule_changes_nothing(
    shared: App, receiver: Receiver, fields: Json, expected: list[Json]
) -> None:
    """Not even the part of it that is right."""
    made = await hook(shared, receiver.url)
    before = await webhook(shared, made.id)
    right: Json = {"active": False} if "active" not in fields else {"events": ["JOB_DELETED"]}
    assert await refused(shared, "updateWebhook", webhookId=made.id, **(right | fields)) == expected
    assert await webhook(shared, made.id) == before


@pytest.mark.parametrize("name", ["updateWebhook", "rotateWebhookSecret", "deleteWebhook", "testWebhook"])
@pytest.mark.parametrize("webhook_id", [NO_WEBHOOK, NO_JOB, "", "webhook_\0"])
async def test_what_is_not_there_is_said_so(shared: App, name: str, webhook_id: str) -> None:
    """By every verb."""
    assert await refused(shared, name, webhookId=webhook_id) == [missing("webhookId", webhook_id)]


@pytest.mark.parametrize("delivery_id", [NO_DELIVERY, NO_WEBHOOK, "", "delivery_\0"])
async def test_neither_can_be_redelivered_what_is_not_there(shared: App, delivery_id: str) -> None:
    """An argument of its own names it."""
    payload = await webhook_calls.redeliver(shared, delivery_id)
    assert payload["delivery"] is None
    (error,) = payload["errors"]
    assert error.pop("message") == "There is no such delivery."
    assert error == {
        "__typename": "NotFoundError",
        "code": "NOT_FOUND",
        "path": ["deliveryId"],
        "id": delivery_id,
    }


async def test_what_is_left_out_of_a_change_stays(shared: App, receiver: Receiver) -> None:
    """And what is given is replaced."""
    made = await hook(shared, receiver.url, "JOB_CREATED")
    before = await webhook(shared, made.id)
    selection = f"webhook {{ {WEBHOOK_FIELDS} }}"
    off = await webhook_calls.mutate(shared, "updateWebhook", made.id, selection, active=False)
    assert off["webhook"] == before | {"active": False}
    other = await webhook_calls.mutate(
        shared, "updateWebhook", made.id, selection, url=f"{receiver.url}/2", events=["JOB_SETTLED", "JOB_SETTLED"]
    )
    assert other["webhook"] == before | {"active": False, "url": f"{receiver.url}/2", "events": ["JOB_SETTLED"]}


async def test_a_deleted_one_is_gone(shared: App, receiver: Receiver) -> None:
    """And hears nothing more."""
    made = await hook(shared, receiver.url, "JOB_CREATED")
    other = await hook(shared, f"{receiver.url}/other", "JOB_CREATED")
    assert await webhook_calls.mutate(shared, "deleteWebhook", made.id, "deletedWebhookId") == {
        "deletedWebhookId": made.id
    }
    assert (await shared.execute("query($id: ID!) { node(id: $id) { id } }", id=made.id))["node"] is None
    await a_job(shared, "A kite")
    assert [each.path for each in await receiver.count(1)] == ["/hook/other"]
    await webhook_calls.mutate(shared, "deleteWebhook", other.id, "deletedWebhookId")


@pytest.mark.parametrize("first", [0, 101, -1])
async def test_a_page_of_deliveries_has_bounds(shared: App, receiver: Receiver, first: int) -> None:
    """As every page."""
    made = await hook(shared, receiver.url)
    document = f'{{ node(id: "{made.id}") {{ ... on Webhook {{ deliveries(first: {first}) {{ id }} }} }} }}'
    answer = await shared.result(document)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["VALIDATION_FAILED"]
