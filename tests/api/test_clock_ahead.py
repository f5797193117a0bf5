"""Rows that were written while the clock was ahead: nothing waits longer than its own longest span."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coordinator import clock
from coordinator.storage import retention
from coordinator.storage.retention import Retention
from models.db.database import Database
from models.db.tables import AUDIT, DISCARDED_MEDIA, IDEMPOTENCY_KEY, JOB, SCENE, WEBHOOK, WEBHOOK_DELIVERY
from models.writes import media_gc
from models.writes.store import Store
from tests.support import future_rows, jobs
from tests.support.database_choice import database_choice
from tests.support.server_app import App, running
from tests.support.waiting import eventually
from tests.support.webhook_calls import deliveries, hook, mutate, until_delivery, until_over
from tests.support.webhook_receiver import Receiver, status

pytestmark = pytest.mark.both_databases

AHEAD = timedelta(hours=5)
WINDOW = timedelta(days=2)
QUOTA = "{ viewer { regenerateQuota { limit remaining } } }"
RETRIED = jobs.scene(failTakes=1, stepSeconds=0.01)
RUNNING = jobs.scene(steps=10, stepSeconds=0.2)


@asynccontextmanager
async def store_of(folder: Path) -> AsyncGenerator[Store]:
    """Open the database of a server that does not run."""
    database = Database(database_choice.url(folder))
    try:
        yield Store(database)
    finally:
        await database.close()


async def lease_to_a_dead_worker(store: Store, scene_id: str) -> None:
    """Lease a render as a worker that was killed while its clock was ahead has left it."""
    values = {"leased_by": "dead", "lease_expires_at": datetime.now(UTC) + AHEAD + timedelta(seconds=30)}
    async with store.write() as connection:
        await connection.execute(sa.update(SCENE).where(SCENE.c.id == scene_id).values(values))


async def renders(app: App, made: jobs.Made) -> bool:
    """Whether the first scene of a job is being rendered."""
    return (await jobs.job(app, made.id, "scenes { nodes { status } }"))["scenes"]["nodes"][0]["status"] == "PROCESSING"


async def pauses(app: App, made: jobs.Made) -> bool:
    """Whether the first scene of a job waits for its retry."""
    found = await jobs.job(app, made.id, "scenes { nodes { nextAttemptAt } }")
    return found["scenes"]["nodes"][0]["nextAttemptAt"] is not None


async def stored(store: Store, *columns: sa.Column[Any]) -> Sequence[datetime]:
    """Return the instants in these columns."""
    async with store.read() as connection:
        found = [(await connection.execute(sa.select(column))).scalars().all() for column in columns]
    return [instant for values in found for instant in values if instant is not None]


async def test_waits_that_began_in_the_future_are_over_at_the_next_start(tmp_path: Path, receiver: Receiver) -> None:
    """The pause of a retry, the lease of a dead worker, the pause of a webhook delivery, and the regenerate quota."""
    receiver.answer = status(500)
    waits: dict[str, Any] = {"regenerates_an_hour": 1, "regenerate_burst": 1, "webhook_retry_first_seconds": 2.0}
    async with running(tmp_path, retry_first_seconds=30.0, **waits) as app:
        done = await jobs.make(app, jobs.scene(stepSeconds=0.01), start=True)
        await jobs.at_rest(app, done.id)
        await jobs.change(app, "regenerateScene", sceneId=done.scenes[0])
        notified = await hook(app, receiver.url, "JOB_CREATED")
        retried = await jobs.make(app, RETRIED, start=True)
        interrupted = await jobs.make(app, RUNNING, start=True)
        await eventually(lambda: renders(app, interrupted))
        await eventually(lambda: pauses(app, retried))
        for each in await deliveries(app, notified.id):
            await until_delivery(app, each["id"], "FAILED", tries=1)
        assert (await app.execute(QUOTA))["viewer"]["regenerateQuota"] == {"limit": 1, "remaining": 0}
    async with store_of(tmp_path) as store:
        await future_rows.shift(store, AHEAD)
        await lease_to_a_dead_worker(store, interrupted.scenes[0])
    receiver.answer = status(204)
    async with running(tmp_path, **waits) as app:
        assert await jobs.settled(app, interrupted.id) == "COMPLETED"
        assert await jobs.settled(app, retried.id) == "COMPLETED"
        assert {each["status"] for each in await until_over(app, notified.id)} == {"SUCCEEDED"}
        assert (await app.execute(QUOTA))["viewer"]["regenerateQuota"] == {"limit": 1, "remaining": 1}


async def test_new_webhook_delivery_from_the_future_is_due(tmp_path: Path, receiver: Receiver) -> None:
    """It follows no failure, so it has no pause; a lease that begins in the future counts as expired."""
    async with running(tmp_path) as app:
        made = await hook(app, receiver.url, "JOB_CREATED")
    async with running(tmp_path, provider="external") as app, store_of(tmp_path) as store:
        receiver.answer = status(500)
        await jobs.make(app)
        (only,) = await deliveries(app, made.id)
        await until_delivery(app, only["id"], "FAILED")
        receiver.answer = status(204)
        ahead = datetime.now(UTC) + AHEAD
        async with store.write() as connection:
            values = {"status": "PENDING", "next_attempt_at": ahead, "leased_by": "dead", "lease_expires_at": ahead}
            await connection.execute(sa.update(WEBHOOK_DELIVERY).values(values))
        assert (await until_over(app, made.id))[0]["status"] == "SUCCEEDED"


async def test_ages_from_the_future_are_counted_from_now_once_the_clock_is_steady(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovery windows, idempotency keys, audit, discarded media, finished deliveries and rotated secrets."""
    async with running(tmp_path, recovery_window_seconds=int(WINDOW.total_seconds()), provider="external") as app:
        deleted = await jobs.make(app, idempotencyKey="once")
        kept = await jobs.make(app)
        made = await hook(app, receiver.url, "JOB_UPDATED")
        await jobs.retitle(app, kept.id, "Delivered")
        await until_over(app, made.id)
        await mutate(app, "rotateWebhookSecret", made.id, "secret")
        await jobs.change(app, "deleteScene", sceneId=kept.scenes[0])
        await jobs.change(app, "deleteJob", jobId=deleted.id)
        before = await jobs.job(app, kept.id, "version")
        async with app.container.store.write() as connection:
            await media_gc.mark(connection, ["a.mp4"], datetime.now(UTC))
    async with store_of(tmp_path) as store:
        await future_rows.shift(store, timedelta(days=30))
    async with running(tmp_path, provider="external") as app, store_of(tmp_path) as store:
        aged = (IDEMPOTENCY_KEY.c.created_at, AUDIT.c.at, JOB.c.deleted_at, SCENE.c.deleted_at)
        aged = (*aged, WEBHOOK_DELIVERY.c.finished_at, WEBHOOK_DELIVERY.c.created_at)
        assert min(await stored(store, *aged)) > datetime.now(UTC) + timedelta(days=29)
        # Until the clock has been steady for an hour, the current clock may be the wrong one.
        assert (await jobs.make(app, idempotencyKey="once")).id == deleted.id
        # Steady over several checks, not at one.
        monkeypatch.setattr(clock, "CHECK_SECONDS", 0.1)
        monkeypatch.setattr(clock, "STEADY_SECONDS", 0.5)

        async def corrected() -> bool:
            return max(await stored(store, *aged)) <= datetime.now(UTC)

        await eventually(corrected)
        assert max(await stored(store, DISCARDED_MEDIA.c.discarded_at)) <= datetime.now(UTC) + media_gc.LONGEST_AHEAD
        assert max(await stored(store, WEBHOOK.c.previous_until)) <= datetime.now(UTC) + timedelta(hours=24)
        for purge in await stored(store, JOB.c.purge_after, SCENE.c.purge_after):
            assert WINDOW - timedelta(minutes=5) < purge - datetime.now(UTC) <= WINDOW
        (event,) = await jobs.log(app, kept.id, "type changed", after=before["version"])
        assert event == {"type": "SCENE_UPDATED", "changed": ["deletedAt"]}
        assert (await jobs.make(app, idempotencyKey="once")).id == deleted.id
        await jobs.change(app, "restoreJob", jobId=deleted.id)
        await jobs.change(app, "restoreScene", sceneId=kept.scenes[0])
        assert {"type": "JOB_UPDATED", "changed": ["deletedAt"]} in await jobs.log(app, deleted.id, "type changed")


async def test_events_from_the_future_are_kept_by_number_alone(tmp_path: Path) -> None:
    """Only the number of newer events decides, because their age is unknown."""
    async with running(tmp_path, provider="external") as app:
        made = await jobs.make(app)
        for title in ("Two", "Three"):
            await jobs.retitle(app, made.id, title)
        await future_rows.shift(app.container.store, AHEAD)
        await jobs.retitle(app, made.id, "Four")
        assert await retention.prune(app.container.store, Retention(2, timedelta(days=7))) == 2
        assert [event["version"] for event in await jobs.log(app, made.id)] == [3, 4]
