"""Webhook deliveries of one job are sent in order, at most four at once to a webhook, by any number of deliverers."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordinator.webhooks import deliverer, deliveries
from coordinator.webhooks.deliverer import Deliverer
from models.db.tables import WEBHOOK, WEBHOOK_DELIVERY
from tests.support import jobs, webhook_calls
from tests.support.client import Json
from tests.support.factories import a_job, a_scene, report
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS
from tests.support.webhook_calls import LIFE, hook, until_delivery, until_over
from tests.support.webhook_receiver import Received, Receiver, hang, receiving, status

pytestmark = pytest.mark.both_databases


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server with a short first backoff."""
    async with running(tmp_path, webhook_retry_first_seconds=0.02) as app:
        yield app


async def test_delivery_waits_for_the_previous_event_of_its_job(app: App, receiver: Receiver) -> None:
    """Although that one fails at first."""
    requests: Counter[str] = Counter()

    async def refuse_once(received: Received, writer: asyncio.StreamWriter) -> None:
        requests[received.id] += 1
        await status(500 if requests[received.id] < 2 else 204)(received, writer)

    receiver.answer = refuse_once
    created = await hook(app, receiver.url, *LIFE)
    made = [await a_job(app, "A kite") for _ in range(2)]
    await asyncio.gather(*(report(app, job.scenes[0], "PROCESSING", "COMPLETED") for job in made))
    await until_over(app, created.id)
    for job in made:
        versions = [version for job_id, version in (each.place for each in receiver.received) if job_id == job.id]
        assert versions == [version for version in range(1, 6) for _ in range(2)]


async def test_delivery_does_not_wait_for_another_job(app: App, receiver: Receiver) -> None:
    """The first event of one job is never accepted; all events of the other are."""
    stuck = await a_job(app, "Stuck")

    async def refuse_stuck(received: Received, writer: asyncio.StreamWriter) -> None:
        await status(500 if received.data["job_id"] == stuck.id else 204)(received, writer)

    receiver.answer = refuse_stuck
    await hook(app, receiver.url, *LIFE)
    await report(app, stuck.scenes[0], "PROCESSING", "COMPLETED")
    _, scene_id = await a_scene(app)
    await report(app, scene_id, "PROCESSING", "COMPLETED")
    await receiver.until(lambda received: "job.settled" in webhook_calls.types(received))
    assert {each.data["version"] for each in receiver.received if each.data["job_id"] == stuck.id} == {2}


@pytest.mark.usefixtures("endless_attempts")
async def test_delivery_does_not_wait_for_a_test_of_its_webhook(app: App, receiver: Receiver) -> None:
    """A sample, which has version 0, delays no event of the job that it shows."""

    async def hang_on_test(received: Received, writer: asyncio.StreamWriter) -> None:
        await (hang if "test" in received.data else status(204))(received, writer)

    receiver.answer = hang_on_test
    job = await a_job(app, "A kite")
    created = await hook(app, receiver.url, "JOB_UPDATED")
    await webhook_calls.mutate(app, "testWebhook", created.id, "delivery { id }")
    await receiver.count(1)
    version = await jobs.retitle(app, job.id, "Renamed")
    received = await receiver.count(2)
    assert [each.place for each in received] == [(job.id, 0), (job.id, version)]


@pytest.mark.usefixtures("endless_attempts")
async def test_delivery_to_hanging_receiver_delays_no_mutation_and_no_other_webhook(
    app: App, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four attempts are in flight to it, also when more become due at once while two are."""
    # The deliverer looks once at what all the jobs below cause.
    monkeypatch.setattr(deliverer, "GATHER_SECONDS", 0.5)
    async with receiving() as hanging:
        hanging.answer = hang
        for each in (hanging, receiver):
            await hook(app, each.url, "JOB_CREATED", "JOB_UPDATED")

        async def make_and_rename() -> None:
            job = await a_job(app, "A kite")
            await jobs.retitle(app, job.id, "Renamed")

        async with asyncio.timeout(TIMEOUT_SECONDS):
            await asyncio.gather(*(make_and_rename() for _ in range(2)))
            await hanging.count(2)
            await asyncio.gather(*(make_and_rename() for _ in range(8)))
        received = await receiver.count(20)
        assert len({each.place for each in received}) == 20
        await hanging.count(4)
        assert (hanging.most_at_once, len(hanging.received)) == (4, 4)


@pytest.mark.usefixtures("endless_attempts")
async def test_due_deliveries_leave_room_for_attempts_in_flight(app: App, receiver: Receiver) -> None:
    """Four to a healthy webhook, one to a failing one, less those in flight."""
    receiver.answer = hang
    created = await hook(app, receiver.url, "JOB_CREATED")
    for _ in range(10):
        await a_job(app, "A kite")
    await receiver.count(4)

    async def rooms(*in_flight: int) -> list[int]:
        async with app.container.store.read() as connection:
            found = [await deliveries.due(connection, 32, {created.id: count}, 16) for count in in_flight]
            assert await deliveries.due(connection, 32, {}, 16) == found[0]
        return [len(each) for each in found]

    assert await rooms(0, 1, 3, 4) == [4, 3, 1, 0]
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(WEBHOOK).values(failing_since=datetime.now(UTC)))
    assert await rooms(0, 1, 4) == [1, 0, 0]


async def test_deliveries_are_shared_by_two_deliverers(app: App, receiver: Receiver) -> None:
    """Each event is delivered once, by one or the other."""
    container = app.container
    # As in another process: a deliverer of its own on the same database.
    other = Deliverer(container.store, container.bus, container.coordinator.delivery_deps)
    run = asyncio.create_task(other.run())
    try:
        created = await hook(app, receiver.url, *LIFE)
        for _ in range(6):
            _, scene_id = await a_scene(app)
            await report(app, scene_id, "PROCESSING", "COMPLETED")
        await receiver.count(30)
        await until_over(app, created.id)
    finally:
        run.cancel()
        await asyncio.wait([run])
        await other.stop()
    assert len(receiver.received) == 30
    assert len({each.id for each in receiver.received}) == 30


@pytest.mark.usefixtures("endless_attempts")
async def test_delivery_of_a_dead_deliverer_is_taken_over_when_its_lease_expires(app: App, receiver: Receiver) -> None:
    """The result of the first attempt, whose lease was lost, is not recorded."""
    receiver.answer = hang
    created = await hook(app, receiver.url, "JOB_CREATED", "JOB_UPDATED")
    job = await a_job(app, "A kite")
    await receiver.count(1)
    (leased,) = await webhook_calls.deliveries(app, created.id)
    async with app.container.store.write() as connection:
        dead: Json = {
            "leased_by": "a dead process",
            "lease_expires_at": datetime.now(UTC) + timedelta(seconds=0.3),
        }
        await connection.execute(sa.update(WEBHOOK_DELIVERY).values(dead))
    receiver.answer = status(204)
    receiver.hang_up()
    delivery = await until_delivery(app, leased["id"], "SUCCEEDED")
    assert [each["error"] for each in delivery["attempts"]] == [None]
    assert [each.place for each in receiver.received] == [(job.id, 1)] * 2


async def test_delivery_of_a_webhook_deleted_meanwhile_fails_no_change_of_a_job(app: App) -> None:
    """Nor delays one."""
    created = [await a_job(app, "A kite") for _ in range(4)]
    for number in range(5):
        doomed = await hook(app, "http://127.0.0.1:9/", "JOB_UPDATED")
        changes = [jobs.retitle(app, job.id, f"Title {number}") for job in created]
        deletion = webhook_calls.mutate(app, "deleteWebhook", doomed.id, "deletedWebhookId")
        await asyncio.gather(*changes[:2], deletion, *changes[2:])
    assert await app.execute("{ webhooks { id } }") == {"webhooks": []}
