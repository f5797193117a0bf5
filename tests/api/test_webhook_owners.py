"""Webhooks belong to an owner: their secrets, their number, and their visibility to other principals."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from models.db.tables import WEBHOOK, WEBHOOK_DELIVERY
from models.domain.access import Viewer
from server.graphql.schema import executable_schema
from tests.support import jobs, webhook_calls
from tests.support.client import Json
from tests.support.factories import NO_DELIVERY, NO_WEBHOOK, a_job
from tests.support.server_app import App
from tests.support.statements import recorded_reads
from tests.support.webhook_calls import ERRORS, WEBHOOK_FIELDS, hook
from tests.support.webhook_receiver import receiving

pytestmark = pytest.mark.both_databases

AMY, BEN = Viewer("amy", "Amy", ("user",)), Viewer("ben", "Ben", ("user",))
WIM = Viewer("wim", "Wim", ("worker",))
SCHEMA = executable_schema()
CREATE = (
    f"mutation($input: CreateWebhookInput!) "
    f"{{ createWebhook(input: $input) {{ webhook {{ {WEBHOOK_FIELDS} }} secret {ERRORS} }} }}"
)


async def as_viewer(app: App, viewer: Viewer, document: str, **variables: Any) -> Json:
    """Execute a document as a viewer who is not an administrator."""
    context = app.container.context(viewer)
    result = await SCHEMA.execute(document, variable_values=variables, context_value=context)
    assert result.errors is None
    assert result.data is not None
    return result.data


async def test_webhook_secret_is_neither_in_the_database_nor_in_the_log(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor are both while a rotated secret is still valid."""
    caplog.set_level("DEBUG")
    async with receiving() as receiver:
        made = await hook(app, receiver.url, "JOB_CREATED")
        rotated = await webhook_calls.mutate(app, "rotateWebhookSecret", made.id, "secret")
        await a_job(app, "A kite")
        (received,) = await receiver.count(1)
        assert received.verified(rotated["secret"]) == received.verified(made.secret)
    async with app.container.store.read() as connection:
        stored = repr((await connection.execute(sa.select(WEBHOOK))).all())
        stored += repr((await connection.execute(sa.select(WEBHOOK_DELIVERY))).all())
    assert made.id in stored
    for secret in (made.secret, rotated["secret"]):
        assert secret.removeprefix("whsec_") not in stored
        assert secret.removeprefix("whsec_") not in caplog.text


async def test_webhooks_of_an_owner_are_at_most_twenty(app: App) -> None:
    """However many are created at once; those of other owners do not count."""
    made = await asyncio.gather(
        *(as_viewer(app, AMY, CREATE, input={"url": "http://127.0.0.1/", "events": ["JOB_CREATED"]}) for _ in range(25))
    )
    codes = [[error["code"] for error in each["createWebhook"]["errors"]] for each in made]
    assert sorted(codes) == [[]] * 20 + [["LIMIT_EXCEEDED"]] * 5
    assert len((await as_viewer(app, AMY, "{ webhooks { id } }"))["webhooks"]) == 20
    await hook(app, "http://127.0.0.1/")


class TestAnotherOwner:
    """A webhook of another owner is like a missing one."""

    @pytest.mark.sqlite_alone
    async def test_webhook_of_another_owner_is_not_visible(self, app: App) -> None:
        """Neither in the list nor by its id, nor its deliveries; the administrator sees it."""
        made = await as_viewer(app, AMY, CREATE, input={"url": "http://127.0.0.1/", "events": ["JOB_CREATED"]})
        webhook_id = made["createWebhook"]["webhook"]["id"]
        test = "mutation($id: ID!) { testWebhook(input: {webhookId: $id}) { delivery { id } } }"
        tested = await as_viewer(app, AMY, test, id=webhook_id)
        delivery_id = tested["testWebhook"]["delivery"]["id"]
        node = "query($id: ID!) { node(id: $id) { id } }"
        for each in (webhook_id, delivery_id):
            assert (await as_viewer(app, AMY, node, id=each))["node"] == {"id": each}
            assert (await app.execute(node, id=each))["node"] == {"id": each}
            assert (await as_viewer(app, BEN, node, id=each))["node"] is None
        assert (await as_viewer(app, BEN, "{ webhooks { id } }"))["webhooks"] == []
        assert (await app.execute("{ webhooks { id } }"))["webhooks"] == [{"id": webhook_id}]

    @pytest.mark.sqlite_alone
    async def test_webhook_of_another_owner_cannot_be_changed(self, app: App) -> None:
        """The response is that for a missing one, byte for byte."""
        made = await as_viewer(app, AMY, CREATE, input={"url": "http://127.0.0.1/", "events": ["JOB_CREATED"]})
        webhook_id = made["createWebhook"]["webhook"]["id"]
        for name, kind in (
            ("updateWebhook", "UpdateWebhookInput"),
            ("rotateWebhookSecret", "WebhookActionInput"),
            ("deleteWebhook", "WebhookActionInput"),
            ("testWebhook", "WebhookActionInput"),
        ):
            document = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {ERRORS} }} }}"
            theirs = await as_viewer(app, BEN, document, input={"webhookId": webhook_id})
            none = await as_viewer(app, BEN, document, input={"webhookId": NO_WEBHOOK})
            assert repr(theirs).replace(webhook_id, NO_WEBHOOK) == repr(none)
        test = "mutation($id: ID!) { testWebhook(input: {webhookId: $id}) { delivery { id } } }"
        delivery_id = (await as_viewer(app, AMY, test, id=webhook_id))["testWebhook"]["delivery"]["id"]
        theirs = await as_viewer(app, BEN, webhook_calls.REDELIVER, id=delivery_id)
        none = await as_viewer(app, BEN, webhook_calls.REDELIVER, id=NO_DELIVERY)
        assert repr(theirs).replace(delivery_id, NO_DELIVERY) == repr(none)

    async def test_webhook_gets_no_deliveries_for_jobs_of_another_owner(self, app: App) -> None:
        """Neither one for all jobs nor one for that job; the owner's does."""
        create = "mutation($input: CreateJobInput!) { createJob(input: $input) { job { id } } }"
        job: Json = {"title": "Amy's", "provider": "external", "scenes": [{"prompt": "A kite"}]}
        async with receiving() as amys, receiving() as bens:
            for viewer, receiver in ((AMY, amys), (BEN, bens)):
                events = ["JOB_CREATED", "JOB_UPDATED"]
                made = await as_viewer(app, viewer, CREATE, input={"url": receiver.url, "events": events})
                assert made["createWebhook"]["errors"] == []
            job_id = (await as_viewer(app, AMY, create, input=job))["createJob"]["job"]["id"]
            for_that_job: Json = {"url": bens.url, "events": ["JOB_UPDATED"], "jobId": job_id}
            made = await as_viewer(app, BEN, CREATE, input=for_that_job)
            assert [error["code"] for error in made["createWebhook"]["errors"]] == ["NOT_FOUND"]
            await jobs.retitle(app, job_id, "Amy's, changed by an administrator")
            received = await amys.count(2)
            assert [each.data["actor_id"] for each in received] == ["amy", "local"]
            assert bens.received == []

    @pytest.mark.sqlite_alone
    async def test_webhook_of_a_worker_is_refused_for_a_job_that_it_reports_on(self, app: App) -> None:
        """The worker sees the job, and does not own it."""
        create = "mutation($input: CreateJobInput!) { createJob(input: $input) { job { id } } }"
        made = await as_viewer(app, AMY, create, input={"title": "Amy's", "provider": "external"})
        new_webhook: Json = {
            "url": "http://127.0.0.1/",
            "events": ["JOB_UPDATED"],
            "jobId": made["createJob"]["job"]["id"],
        }
        answer = await as_viewer(app, WIM, CREATE, input=new_webhook)
        errors = [(each["code"], each["path"]) for each in answer["createWebhook"]["errors"]]
        assert errors == [("FORBIDDEN", ["input", "jobId"])]

    @pytest.mark.sqlite_alone
    async def test_webhook_of_an_administrator_for_a_job_of_a_user_is_accepted(self, app: App) -> None:
        """It gets the deliveries of that job."""
        create = "mutation($input: CreateJobInput!) { createJob(input: $input) { job { id } } }"
        made = await as_viewer(app, AMY, create, input={"title": "Amy's", "provider": "external"})
        async with receiving() as receiver:
            await hook(app, receiver.url, "JOB_UPDATED", jobId=made["createJob"]["job"]["id"])
            await jobs.retitle(app, made["createJob"]["job"]["id"], "Watched")
            (received,) = await receiver.count(1)
            assert received.data["job"]["title"] == "Watched"


async def test_deliveries_of_many_webhooks_are_read_by_one_statement(app: App) -> None:
    """Each webhook has its own newest deliveries."""
    made = [await hook(app, "http://127.0.0.1:9/", "JOB_CREATED") for _ in range(5)]
    await a_job(app, "A kite")
    await a_job(app, "Another")
    async with recorded_reads(app.container.database) as statements:
        found = await app.execute("{ webhooks { id deliveries(first: 1) { version jobId } } }")
    # The deliverer and housekeeping read deliveries at any time, but in another order than the newest first.
    newest_first = [each for each in statements if "webhookdelivery.created_at DESC" in each]
    assert len(newest_first) == 1
    newest = (await app.execute("{ jobs(first: 1) { nodes { id } } }"))["jobs"]["nodes"][0]["id"]
    expected = [{"id": each.id, "deliveries": [{"version": 1, "jobId": newest}]} for each in made]
    assert sorted(found["webhooks"], key=lambda each: each["id"]) == sorted(expected, key=lambda each: str(each["id"]))
