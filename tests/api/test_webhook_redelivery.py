"""testWebhook and redeliverWebhook, and how long deliveries are kept."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordinator.webhooks import deliveries
from models.db.tables import JOB, WEBHOOK_DELIVERY
from tests.support import jobs, webhook_calls
from tests.support.client import Json
from tests.support.factories import a_job
from tests.support.server_app import App, running
from tests.support.webhook_calls import hook, until_delivery, until_over, webhook
from tests.support.webhook_receiver import Received, Receiver, hang, status


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server with a short first backoff."""
    async with running(tmp_path, webhook_retry_first_seconds=0.02) as app:
        yield app


async def test_test_delivery_is_a_sample_of_the_newest_job(app: App, receiver: Receiver) -> None:
    """It is marked as a test, and is in the deliveries of the webhook, not among the events of the job."""
    job = await a_job(app, "A kite")
    created = await hook(app, receiver.url, "SCENE_COMPLETED")
    payload = await webhook_calls.mutate(app, "testWebhook", created.id, f"delivery {{ {webhook_calls.DELIVERY} }}")
    sent = payload["delivery"]
    assert (sent["eventType"], sent["version"], sent["jobId"]) == ("SCENE_COMPLETED", 0, job.id)
    (received,) = await receiver.count(1)
    body = received.verified(created.secret)
    assert (received.id, body["type"], body["data"]["test"]) == (sent["id"], "scene.completed", True)
    assert (body["data"]["scene"]["id"], body["data"]["job"]["id"]) == (job.scenes[0], job.id)
    delivery = await until_delivery(app, sent["id"], "SUCCEEDED")
    assert await webhook_calls.deliveries(app, created.id) == [delivery]
    assert [each["type"] for each in await jobs.log(app, job.id)] == ["JOB_CREATED"]


async def test_test_delivery_is_a_sample_of_the_job_with_the_latest_creation(app: App, receiver: Receiver) -> None:
    """By `createdAt`, then by id, as in lists of jobs."""
    ids = [(await a_job(app, f"Kite {number}")).id for number in range(3)]
    created = await hook(app, receiver.url, "JOB_CREATED")

    async def sampled(**ages_days: int) -> str:
        async with app.container.store.write() as connection:
            for name, days in ages_days.items():
                values: Json = {"created_at": datetime(2026, 1, 31, tzinfo=UTC) - timedelta(days=days)}
                chosen = JOB.c.id == ids[int(name[1:])]
                await connection.execute(sa.update(JOB).where(chosen).values(values))
        return (await webhook_calls.mutate(app, "testWebhook", created.id, "delivery { jobId }"))["delivery"]["jobId"]

    assert await sampled(_0=3, _1=1, _2=2) == ids[1]
    assert await sampled(_0=1, _1=1, _2=2) == max(ids[:2])
    assert await sampled(_0=1, _1=2, _2=3) == ids[0]


async def test_test_delivery_of_owner_without_a_job_has_none(app: App, receiver: Receiver) -> None:
    """Its job is null."""
    created = await hook(app, receiver.url, "JOB_CREATED")
    await webhook_calls.mutate(app, "testWebhook", created.id, "delivery { id }")
    (received,) = await receiver.count(1)
    assert (received.data["job"], received.data["test"]) == (None, True)


async def test_test_delivery_is_attempted_once_and_does_not_switch_its_webhook_off(
    app: App, receiver: Receiver
) -> None:
    """Not even 410 does; a webhook that is switched off can be tested too."""
    receiver.answer = status(410)
    created = await hook(app, receiver.url, "JOB_CREATED")
    for active in (True, False):
        await webhook_calls.mutate(app, "updateWebhook", created.id, "webhook { id }", active=active)
        sent = (await webhook_calls.mutate(app, "testWebhook", created.id, "delivery { id }"))["delivery"]
        delivery = await until_delivery(app, sent["id"], "EXHAUSTED")
        assert [each["responseStatus"] for each in delivery["attempts"]] == [410]
        assert (await webhook(app, created.id))["active"] == active


@pytest.mark.usefixtures("endless_attempts")
async def test_test_delivery_that_is_pending_is_returned_again(app: App, receiver: Receiver) -> None:
    """Repeated calls make one delivery."""
    receiver.answer = hang
    created = await hook(app, receiver.url, "JOB_CREATED")
    sent = [
        (await webhook_calls.mutate(app, "testWebhook", created.id, "delivery { id }"))["delivery"] for _ in range(3)
    ]
    assert len({each["id"] for each in sent}) == 1


@pytest.mark.usefixtures("endless_attempts")
async def test_test_delivery_of_a_newer_job_is_sent_beside_a_pending_one(app: App, receiver: Receiver) -> None:
    """The pending one is a sample of another job."""
    receiver.answer = hang
    created = await hook(app, receiver.url, "SCENE_COMPLETED")
    made = [await a_job(app, "One")]
    first = (await webhook_calls.mutate(app, "testWebhook", created.id, "delivery { id jobId }"))["delivery"]
    made.append(await a_job(app, "Two"))
    second = (await webhook_calls.mutate(app, "testWebhook", created.id, "delivery { id jobId }"))["delivery"]
    assert [first["jobId"], second["jobId"]] == [each.id for each in made]
    assert first["id"] != second["id"]


async def test_redelivery_has_the_same_id_and_body(app: App, receiver: Receiver) -> None:
    """A delivery that succeeded is sent again, and the attempt is added to its log."""
    created = await hook(app, receiver.url, "JOB_CREATED")
    await a_job(app, "A kite")
    (delivery,) = await until_over(app, created.id)
    again = await webhook_calls.redeliver(app, delivery["id"])
    assert again["errors"] == []
    assert (again["delivery"]["id"], again["delivery"]["status"]) == (delivery["id"], "PENDING")
    received = await receiver.count(2)
    assert received[0].body == received[1].body
    assert received[0].id == received[1].id
    await until_delivery(app, delivery["id"], "SUCCEEDED", tries=2)


@pytest.mark.usefixtures("endless_attempts")
async def test_redelivery_of_a_delivery_in_flight_changes_nothing(app: App, receiver: Receiver) -> None:
    """Its attempt goes on, and there is no further one."""
    proceed = asyncio.Event()

    async def fail_then_wait(received: Received, writer: asyncio.StreamWriter) -> None:
        first = len(receiver.received) == 1
        if not first:
            await proceed.wait()
        await status(500 if first else 204)(received, writer)

    receiver.answer = fail_then_wait
    created = await hook(app, receiver.url, "JOB_CREATED")
    await a_job(app, "A kite")
    await receiver.count(2)
    (in_flight,) = await webhook_calls.deliveries(app, created.id)
    assert (in_flight["status"], len(in_flight["attempts"])) == ("FAILED", 1)
    assert await webhook_calls.redeliver(app, in_flight["id"]) == {"delivery": in_flight, "errors": []}
    proceed.set()
    await until_delivery(app, in_flight["id"], "SUCCEEDED", tries=2)
    assert len(receiver.received) == 2


@pytest.mark.both_databases
async def test_old_deliveries_are_pruned(app: App, receiver: Receiver) -> None:
    """30 days after they were finished; a pending one is kept unless its webhook is switched off."""
    created = await hook(app, receiver.url, "JOB_CREATED")

    async def kept() -> list[str]:
        return [each["id"] for each in await webhook_calls.deliveries(app, created.id)]

    await a_job(app, "A kite")
    (finished,) = await until_over(app, created.id)
    receiver.answer = status(503, "retry-after: 3600")
    await a_job(app, "Another")
    pending, _ = await webhook_calls.deliveries(app, created.id)
    await until_delivery(app, pending["id"], "FAILED")
    await deliveries.prune(app.container.store)
    assert await kept() == [pending["id"], finished["id"]]
    month: Json = {"created_at": datetime.now(UTC) - deliveries.KEPT - timedelta(days=1)}
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(WEBHOOK_DELIVERY).values(month))
        done = WEBHOOK_DELIVERY.c.finished_at.is_not(None)
        await connection.execute(sa.update(WEBHOOK_DELIVERY).where(done).values(finished_at=month["created_at"]))
    # The housekeeping of the server may be the first to delete them.
    await deliveries.prune(app.container.store)
    assert await kept() == [pending["id"]]
    await webhook_calls.mutate(app, "updateWebhook", created.id, "webhook { id }", active=False)
    await deliveries.prune(app.container.store)
    assert await kept() == []


async def test_duration_of_an_endless_attempt_is_the_largest_int(app: App, receiver: Receiver) -> None:
    """An attempt may last that long when the machine was suspended for months."""
    created = await hook(app, receiver.url, "JOB_CREATED")
    sent = await webhook_calls.mutate(app, "testWebhook", created.id, "delivery { id }")
    await until_delivery(app, sent["delivery"]["id"], "SUCCEEDED")
    attempt = {"at": "2026-01-31T12:00:00+00:00", "response_status": 200, "duration_ms": 2**33, "error": None}
    async with app.container.store.write() as connection:
        own = WEBHOOK_DELIVERY.c.webhook_id == created.id
        await connection.execute(sa.update(WEBHOOK_DELIVERY).where(own).values(attempts=[attempt]))
    (delivery,) = await webhook_calls.deliveries(app, created.id)
    assert [each["durationMs"] for each in delivery["attempts"]] == [2**31 - 1]
