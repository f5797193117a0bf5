"""The queue may lose anything: what is open is put back, and what is not lost is not doubled."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from coordinator.bus.port import LocalBus
from coordinator.commands.inputs import SceneTarget
from coordinator.commands.scheduling import EXTERNAL
from coordinator.coordinator import Coordinator
from coordinator.dispatcher import Dispatcher
from coordinator.queue.embedded import EmbeddedQueue
from coordinator.queue.port import Concurrency
from coordinator.renders import claims, reconciler
from coordinator.renders.claims import Claim
from coordinator.renders.pool import RunningRenders
from coordinator.renders.render import Limits, RenderDeps
from coordinator.storage.media import MediaStore
from coordinator.storage.retention import Retention
from coordinator.webhooks.deliverer import DeliveryDeps
from coordinator.webhooks.http_client import HttpClient, Policy
from coordinator.webhooks.signing import Secrets
from models.db.database import Connection
from models.db.tables import JOB
from models.domain.access import LOCAL
from models.domain.events import EventType
from models.domain.lifecycle import SceneStatus
from models.writes.change import Ticket, Work
from providers.port import Failure, Order, Progress, Rendered
from providers.scripted import ScriptedProvider
from tests.support.domain import OURS, TERMS, Domain, Seen, domain
from tests.support.recording_queue import RecordingQueue
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

BUSY = Failure("BUSY", "Try again.", retryable=True)


class Leaky(EmbeddedQueue):
    """A queue that fails when it is given something, as often as told."""

    def __init__(self, fails: int) -> None:
        super().__init__(Concurrency(2, {OURS: 0}))
        self.fails = fails

    async def enqueue(self, work: Sequence[Work], connection: Connection | None = None) -> None:
        if work and self.fails:
            self.fails -= 1
            raise OSError("no room")
        await super().enqueue(work, connection)


class Patient(ScriptedProvider):
    """A provider whose clips take as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        await self.go.wait()
        async with aclosing(super().follow(order, provider_id)) as steps:
            async for step in steps:
                yield step


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as world:
        yield world


async def test_jobs_whose_clips_are_yet_to_be_joined_are_put_back(world: Domain) -> None:
    """Those whose composition is complete and kept here, with the cut; not those that are joined, failed or deleted."""
    made = [await world.a_job(start=True) for _ in range(5)]
    for ticket in world.tickets[:4]:
        held = await claimed(world, ticket)
        await claims.completed(
            world.store, held, {"output": {"key": f"{held.scene_id}.mp4", "content_type": "video/mp4"}}
        )
    cuts = [committed.assembly for committed in world.committed if committed.assembly is not None]
    assert [cut.job_id for cut in cuts] == made[:4]
    told = [{"output": {"key": "a.mp4"}}, {"output_failure": {"code": "A"}}, {"deleted_at": datetime.now(UTC)}]
    async with world.store.write() as connection:
        for job_id, values in zip(made[:3], told, strict=True):
            await connection.execute(sa.update(JOB).where(JOB.c.id == job_id).values(values))
    found = RecordingQueue()
    await reconciler.reconcile(world.store, found)
    assert found.assemblies == [cuts[3]]


def a_queue() -> EmbeddedQueue:
    """A queue that knows of nothing."""
    return EmbeddedQueue(Concurrency(1, {OURS: 0}))


async def claimed(world: Domain, ticket: Ticket) -> Claim:
    """Claim what a ticket is for."""
    claim = await claims.claim(world.store, ticket, "worker")
    assert claim is not None
    return claim


async def test_what_is_open_comes_back_after_the_queue_lost_it(world: Domain) -> None:
    """Waiting, running and waiting for a retry, with its place in the queue; nothing else does."""
    await world.a_job(6, start=True)
    waiting, running, retried, completed, canceled, reported = world.tickets
    await claimed(world, running)
    await claims.failed(world.store, await claimed(world, retried), BUSY, backoff_seconds=60)
    await claims.completed(world.store, await claimed(world, completed), {})
    await world.scenes.cancel(LOCAL, SceneTarget(canceled.scene_id))
    await world.scenes.update(LOCAL, SceneTarget(reported.scene_id), {"status": SceneStatus.PROCESSING})
    await world.a_job(2)
    await world.a_job(2, start=True, provider=EXTERNAL)
    queue = RecordingQueue()
    assert await reconciler.reconcile(world.store, queue) == 3
    delays = {ticket.scene_id: ticket.delay_seconds for ticket in queue.tickets}
    assert {ticket._replace(delay_seconds=0) for ticket in queue.tickets} == {
        waiting,
        running,
        world.tickets[-1]._replace(delay_seconds=0),
    }
    assert (delays[waiting.scene_id], delays[running.scene_id]) == (0, 0)
    assert 50 < delays[retried.scene_id] <= 60


@pytest.mark.parametrize("runs", [False, True], ids=["waiting", "running"])
async def test_what_was_deleted_stays_away(world: Domain, runs: bool) -> None:
    """Neither a deleted scene nor one of a deleted job is rendered."""
    for _ in range(2):
        await world.a_job(1, start=True)
    first, second = world.tickets
    for ticket in (first, second) if runs else ():
        await claimed(world, ticket)
    async with world.store.change(first.job_id, LOCAL) as change:
        change.set_job(deleted_at=change.now)
        change.record(EventType.JOB_DELETED)
    async with world.store.change(second.job_id, LOCAL) as change:
        scene = await change.scene(second.scene_id)
        await change.write_scene(scene, EventType.SCENE_DELETED, ["deletedAt"], deleted_at=change.now)
    assert await reconciler.reconcile(world.store, RecordingQueue()) == 0


async def test_nothing_that_waits_or_runs_is_doubled(world: Domain) -> None:
    """However often the reconciler comes by while a render goes on."""
    await world.a_job(3, start=True)
    queue, handled = a_queue(), list[str]()
    runs, hold, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(ticket: Ticket) -> None:
        handled.append(ticket.scene_id)
        held = await claimed(world, ticket)
        runs.set()
        await hold.wait()
        await claims.completed(world.store, held, {})
        if len(handled) == 3:
            done.set()

    await queue.enqueue(world.tickets)
    task = asyncio.create_task(queue.run(handle))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await runs.wait()
        for _ in range(3):
            assert await reconciler.reconcile(world.store, queue) == 3
        hold.set()
        await done.wait()
    task.cancel()
    await asyncio.wait([task])
    assert await reconciler.reconcile(world.store, queue) == 0
    assert handled == [ticket.scene_id for ticket in world.tickets]
    (job_id,) = {ticket.job_id for ticket in world.tickets}
    assert {scene.attempts for scene in (await world.look(job_id)).live} == {1}


@asynccontextmanager
async def coordinated(world: Domain, queue: EmbeddedQueue, provider: ScriptedProvider) -> AsyncGenerator[LocalBus]:
    """A coordinator at work on the world; its dispatcher follows the commits of the world's store."""
    bus = LocalBus()
    dispatcher = Dispatcher(queue, bus, RunningRenders())
    world.commits.before, world.commits.after = dispatcher.before_commit, dispatcher.after_commit
    deps = RenderDeps(
        world.store,
        bus,
        MediaStore(str(world.folder / "media")),
        {OURS: provider},
        Limits(first_backoff_seconds=0.05),
    )
    coordinator = Coordinator(
        deps,
        dispatcher,
        DeliveryDeps(Secrets(bytes(32)), HttpClient(Policy()), str),
        default_provider=OURS,
        policy=TERMS,
        log_retention=Retention(10_000, timedelta(days=7)),
    )
    await coordinator.start()
    try:
        yield bus
    finally:
        await coordinator.stop()


async def until(world: Domain, bus: LocalBus, job_id: str, condition: Callable[[Seen], bool]) -> Seen:
    """The job as soon as something is true of it."""
    changed = asyncio.Event()
    stop = bus.listen(lambda _message: changed.set())
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not condition(seen := await world.look(job_id)):
            await changed.wait()
            changed.clear()
    stop()
    return seen


def settled(seen: Seen) -> bool:
    """The job has come to rest."""
    return seen.job.settled


@pytest.mark.parametrize("fails", [1, 2])
async def test_a_ticket_that_the_queue_did_not_take_is_offered_again_soon(
    world: Domain, caplog: pytest.LogCaptureFixture, fails: int
) -> None:
    """The mutation is acknowledged, and its render does not wait for the next round, even if the queue fails twice."""
    async with coordinated(world, Leaky(fails), ScriptedProvider()) as bus:
        job_id = await world.a_job(2, start=True)
        seen = await until(world, bus, job_id, settled)
    assert (seen.job.completed, seen.job.total) == (2, 2)
    assert [record.levelname for record in caplog.records] == ["ERROR"] * fails


async def test_what_was_running_at_a_stop_is_taken_up_by_the_next_start(world: Domain) -> None:
    """With a queue that knows of nothing: by the provider's id, as the same take, and recorded once."""
    provider = Patient()
    async with coordinated(world, Leaky(0), provider) as bus:
        job_id = await world.a_job(3, start=True)
        await until(world, bus, job_id, lambda seen: sum(scene.provider_id is not None for scene in seen.live) == 2)
    assert (await world.look(job_id)).job.processing == 2
    provider.go.set()
    async with coordinated(world, Leaky(0), provider) as bus:
        seen = await until(world, bus, job_id, settled)
    assert seen.job.completed == 3
    assert [(scene.attempts, scene.take_number) for scene in seen.live] == [(1, 1)] * 3
    assert {take.id: 1 for takes in seen.takes.values() for take in takes} == provider.submissions
    completions = [event.scene_id for event in seen.log if event.type is EventType.SCENE_COMPLETED]
    assert Counter(completions) == {scene.id: 1 for scene in seen.live}
