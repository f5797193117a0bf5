"""The clock goes back by an hour: nothing waits longer than its own longest span."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.database_choice import database_choice
from tests.support.fake_clock import FakeClockServer
from tests.support.waiting import eventually
from tests.support.webhook_calls import deliveries, hook, until_over
from tests.support.webhook_receiver import receiving, status

pytestmark = pytest.mark.usefixtures("database")

HOUR = 3600
QUOTA = "{ viewer { regenerateQuota { remaining resetAt } } }"
RETRIED = jobs.scene(failTakes=1, stepSeconds=0.05)
# Longer than the lease, which is extended while it runs.
RUNNING = jobs.scene(steps=20, stepSeconds=0.1)


@asynccontextmanager
async def an_hour_ahead(folder: Path, **settings: object) -> AsyncGenerator[tuple[FakeClockServer, Client]]:
    """Run a server process whose clock is an hour ahead."""
    usual = {"provider": "scripted", "retry_first_seconds": 2.0, "webhook_retry_first_seconds": 1.0, "lease_seconds": 1}
    server = FakeClockServer(folder, ahead_seconds=HOUR, **usual | settings)
    await asyncio.to_thread(server.start)
    client = Client(server.url)
    try:
        yield server, client
    finally:
        await client.close()
        server.kill()
        database_choice.drop(folder)


async def scene_of(client: Client, made: jobs.Made) -> Json:
    """Return the first scene of a job."""
    job = await jobs.job(client, made.id, "scenes { nodes { status percentage nextAttemptAt } }")
    return job["scenes"]["nodes"][0]


async def pauses(client: Client, made: jobs.Made) -> bool:
    """Whether the first scene waits for its retry."""
    return (await scene_of(client, made))["nextAttemptAt"] is not None


async def renders(client: Client, made: jobs.Made) -> bool:
    """Whether the first scene is being rendered and has made progress."""
    scene = await scene_of(client, made)
    return scene["status"] == "PROCESSING" and bool(scene["percentage"])


async def spend_quota(client: Client) -> None:
    """Regenerate until the quota is used up."""
    made = await jobs.make(client, jobs.scene(outcome="fail", stepSeconds=0.01), start=True)
    while (await client.execute(QUOTA))["viewer"]["regenerateQuota"]["remaining"]:
        await jobs.settled(client, made.id)
        await jobs.change(client, "regenerateScene", sceneId=made.scenes[0])


@pytest.mark.both_databases
async def test_server_killed_with_its_clock_ahead_goes_on_with_the_right_one(tmp_path: Path) -> None:
    """Covers renders and retries, the regenerate quota, webhooks, idempotency keys and the recovery window."""
    async with (
        receiving() as receiver,
        an_hour_ahead(tmp_path, regenerates_an_hour=4, regenerate_burst=2) as (server, client),
    ):
        await spend_quota(client)
        receiver.answer = status(500)
        notified = await hook(client, receiver.url, "JOB_CREATED")
        deleted = await jobs.make(client, idempotencyKey="once")
        await jobs.change(client, "deleteJob", jobId=deleted.id)
        retried = await jobs.make(client, RETRIED, start=True)
        running = await jobs.make(client, RUNNING, start=True)
        await eventually(lambda: renders(client, running))
        await eventually(lambda: pauses(client, retried))
        await eventually(lambda: failed(client, notified.id))
        server.kill()
        receiver.answer = status(204)
        server.set_ahead(0)
        await asyncio.to_thread(server.start)
        assert await jobs.settled(client, running.id) == "COMPLETED"
        assert await jobs.settled(client, retried.id) == "COMPLETED"
        assert {each["status"] for each in await until_over(client, notified.id)} == {"SUCCEEDED"}
        quota = (await client.execute(QUOTA))["viewer"]["regenerateQuota"]
        # Postgres has its own clock, which was never ahead: the quota is used up, and returns within its own span.
        assert quota["remaining"] == (0 if database_choice.distributed else 2)
        assert datetime.fromisoformat(quota["resetAt"]) <= datetime.now(UTC) + timedelta(minutes=30)
        assert (await jobs.make(client, idempotencyKey="once")).id == deleted.id
        await jobs.change(client, "restoreJob", jobId=deleted.id)


async def failed(client: Client, webhook_id: str) -> bool:
    """Whether attempts of all deliveries have failed, of the first one repeatedly."""
    found = await deliveries(client, webhook_id)
    return bool(found) and all(each["attempts"] for each in found)


async def test_clock_set_back_while_the_server_runs_delays_nothing(tmp_path: Path) -> None:
    """The queue waits by the monotonic clock; webhook deliveries and later renders are not delayed either."""
    async with receiving() as receiver, an_hour_ahead(tmp_path) as (server, client):
        receiver.answer = status(500)
        notified = await hook(client, receiver.url, "JOB_CREATED")
        retried = await jobs.make(client, RETRIED, start=True)
        running = await jobs.make(client, RUNNING, start=True)
        await eventually(lambda: renders(client, running))
        await eventually(lambda: pauses(client, retried))
        await eventually(lambda: failed(client, notified.id))
        server.set_ahead(0)
        receiver.answer = status(204)
        assert await jobs.settled(client, running.id) == "COMPLETED"
        assert await jobs.settled(client, retried.id) == "COMPLETED"
        later = await jobs.make(client, RETRIED, start=True)
        assert await jobs.settled(client, later.id) == "COMPLETED"
        assert {each["status"] for each in await until_over(client, notified.id)} == {"SUCCEEDED"}
