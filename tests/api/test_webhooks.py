"""Webhooks as their owners use them: created, listed, changed and deleted."""

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
    """A receiver that accepts every delivery, for the tests of this file."""
    async with receiving() as receiver:
        yield receiver


async def refused(client: App, name: str, **fields: Any) -> list[Json]:
    """Send a mutation that must be refused; return its errors without their messages, which are sentences."""
    shown = {"deleteWebhook": "deletedWebhookId", "testWebhook": "delivery { id }"}.get(name, "webhook { id }")
    payload = await client.mutate(name, f"{shown} {ERRORS}", **fields)
    errors: list[Json] = payload.pop("errors")
    assert set(payload.values()) == {None}
    assert errors, "the mutation was accepted"
    for error in errors:
        assert error.pop("message").endswith(".")
    return errors


def invalid(*path: str, code: str = "VALIDATION_FAILED") -> Json:
    """Make the error of an invalid input field."""
    return {"__typename": "ValidationError", "code": code, "path": ["input", *path]}


def missing(field: str, missing_id: str) -> Json:
    """Make the error of an unknown id."""
    return {"__typename": "NotFoundError", "code": "NOT_FOUND", "path": ["input", field], "id": missing_id}


async def test_webhook_is_created_and_its_secret_shown_once(shared: App, receiver: Receiver) -> None:
    """Event types are distinct, in the order given; only the response of createWebhook holds the secret."""
    events = ["SCENE_FAILED", "JOB_SETTLED", "SCENE_FAILED"]
    payload = (await shared.execute(CREATE, input={"url": receiver.url, "events": events}))["createWebhook"]
    created = payload["webhook"]
    assert payload["errors"] == []
    assert payload["secret"].startswith("whsec_")
    assert created | {"createdAt": None} == {
        "id": created["id"],
        "url": receiver.url,
        "events": ["SCENE_FAILED", "JOB_SETTLED"],
        "jobId": None,
        "active": True,
        "disabledReason": None,
        "createdAt": None,
    }
    assert await webhook(shared, created["id"]) == created
    listed = (await shared.execute(f"{{ webhooks {{ {WEBHOOK_FIELDS} }} }}"))["webhooks"]
    assert created in listed
    update = await webhook_calls.mutate(shared, "updateWebhook", created["id"], "webhook { id } secret", active=True)
    assert update["secret"] is None


async def test_webhooks_are_listed_by_job(shared: App, receiver: Receiver) -> None:
    """Webhooks for all jobs are not among them."""
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
        ({"url": "http://amy@127.0.0.1/"}, [invalid("url")]),
        ({"url": "http://:@127.0.0.1/"}, [invalid("url")]),
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
async def test_invalid_new_webhook_is_refused(shared: App, fields: Json, expected: list[Json]) -> None:
    """All problems at once, each with the path of its input field; no webhook is created."""
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
async def test_invalid_change_of_a_webhook_changes_nothing(
    shared: App, receiver: Receiver, fields: Json, expected: list[Json]
) -> None:
    """Its valid fields included."""
    made = await hook(shared, receiver.url)
    before = await webhook(shared, made.id)
    valid: Json = {"active": False} if "active" not in fields else {"events": ["JOB_DELETED"]}
    assert await refused(shared, "updateWebhook", webhookId=made.id, **(valid | fields)) == expected
    assert await webhook(shared, made.id) == before


@pytest.mark.parametrize("name", ["updateWebhook", "rotateWebhookSecret", "deleteWebhook", "testWebhook"])
@pytest.mark.parametrize("webhook_id", [NO_WEBHOOK, NO_JOB, "", "webhook_\0"])
async def test_unknown_webhook_is_not_found(shared: App, name: str, webhook_id: str) -> None:
    """By every mutation."""
    assert await refused(shared, name, webhookId=webhook_id) == [missing("webhookId", webhook_id)]


@pytest.mark.parametrize("delivery_id", [NO_DELIVERY, NO_WEBHOOK, "", "delivery_\0"])
async def test_unknown_delivery_is_not_redelivered(shared: App, delivery_id: str) -> None:
    """The path is that of its argument."""
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


async def test_change_of_a_webhook_keeps_fields_that_are_left_out(shared: App, receiver: Receiver) -> None:
    """And replaces those that are given."""
    made = await hook(shared, receiver.url, "JOB_CREATED")
    before = await webhook(shared, made.id)
    selection = f"webhook {{ {WEBHOOK_FIELDS} }}"
    off = await webhook_calls.mutate(shared, "updateWebhook", made.id, selection, active=False)
    assert off["webhook"] == before | {"active": False}
    other = await webhook_calls.mutate(
        shared, "updateWebhook", made.id, selection, url=f"{receiver.url}/2", events=["JOB_SETTLED", "JOB_SETTLED"]
    )
    assert other["webhook"] == before | {"active": False, "url": f"{receiver.url}/2", "events": ["JOB_SETTLED"]}


async def test_deleted_webhook_gets_no_deliveries(shared: App, receiver: Receiver) -> None:
    """And is not found any more."""
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
async def test_page_size_of_webhook_deliveries_has_bounds(shared: App, receiver: Receiver, first: int) -> None:
    """As in every list."""
    made = await hook(shared, receiver.url)
    document = f'{{ node(id: "{made.id}") {{ ... on Webhook {{ deliveries(first: {first}) {{ id }} }} }} }}'
    answer = await shared.result(document)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["VALIDATION_FAILED"]
