"""The reconciler enqueues open work that the queue has lost, and duplicates nothing."""

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
from coordinator.renders.adoptions import Adoptions
from coordinator.renders.claim import Claim
from coordinator.renders.deps import RenderDeps
from coordinator.renders.inspections import Inspections
from coordinator.renders.limits import Limits
from coordinator.renders.pool import RunningRenders
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
from tests.support.claiming import claim_ticket
from tests.support.domain import OURS, POLICY, Domain, JobState, domain
from tests.support.recording_queue import RecordingQueue
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

BUSY = Failure("BUSY", "Try again.", retryable=True)


class Leaky(EmbeddedQueue):
    """A queue whose first `fails` enqueues raise an error."""

    def __init__(self, fails: int) -> None:
        super().__init__(Concurrency(2, {OURS: 0}))
        self.fails = fails

    async def enqueue(self, work: Sequence[Work], connection: Connection | None = None) -> None:
        if work and self.fails:
            self.fails -= 1
            raise OSError("no room")
        await super().enqueue(work, connection)


class HeldProvider(ScriptedProvider):
    """A provider whose renders wait until the test sets `go`."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def follow(self, order: Order, provider_id: str) -> AsyncGenerator[Progress | Rendered, None]:
        await self.go.wait()
        async with aclosing(super().follow(order, provider_id)) as steps:
            async for step in steps:
                yield step


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


async def test_assembly_of_a_completed_job_is_enqueued_again(env: Domain) -> None:
    """With its composition version; not when its video is joined or failed, nor when the job is deleted."""
    made = [await env.a_job(start=True) for _ in range(5)]
    for ticket in env.tickets[:4]:
        held = await claimed(env, ticket)
        await claims.completed(
            env.store, held, {"output": {"key": f"{held.scene_id}.mp4", "content_type": "video/mp4"}}
        )
    cuts = [committed.assembly for committed in env.committed if committed.assembly is not None]
    assert [cut.job_id for cut in cuts] == made[:4]
    updates = [
        {"output": {"key": "a.mp4"}},
        {"output_failure": {"code": "A"}},
        {"deleted_at": datetime.now(UTC)},
    ]
    async with env.store.write() as connection:
        for job_id, values in zip(made[:3], updates, strict=True):
            await connection.execute(sa.update(JOB).where(JOB.c.id == job_id).values(values))
    found = RecordingQueue()
    await reconciler.reconcile(env.store, found)
    assert [each.key for each in found.assemblies] == [cuts[3].key]


def a_queue() -> EmbeddedQueue:
    """An empty queue."""
    return EmbeddedQueue(Concurrency(1, {OURS: 0}))


async def claimed(env: Domain, ticket: Ticket) -> Claim:
    """Claim the take of a ticket."""
    claim = await claim_ticket(env.store, ticket, "worker")
    assert claim is not None
    return claim


async def test_tickets_of_open_scenes_are_enqueued_again(env: Domain) -> None:
    """Of scenes that wait, run or wait for a retry, with their priorities and delays; no others."""
    await env.a_job(6, start=True)
    waiting, running, retried, completed, canceled, reported = env.tickets
    await claimed(env, running)
    await claims.failed(env.store, await claimed(env, retried), BUSY, backoff_seconds=60)
    await claims.completed(env.store, await claimed(env, completed), {})
    await env.scenes.cancel(LOCAL, SceneTarget(canceled.scene_id))
    await env.scenes.update(LOCAL, SceneTarget(reported.scene_id), {"status": SceneStatus.PROCESSING})
    await env.a_job(2)
    await env.a_job(2, start=True, provider=EXTERNAL)
    queue = RecordingQueue()
    assert await reconciler.reconcile(env.store, queue) == 3
    delays = {ticket.scene_id: ticket.delay_seconds for ticket in queue.tickets}
    assert {ticket._replace(delay_seconds=0) for ticket in queue.tickets} == {
        waiting,
        running,
        env.tickets[-1]._replace(delay_seconds=0),
    }
    assert (delays[waiting.scene_id], delays[running.scene_id]) == (0, 0)
    assert 50 < delays[retried.scene_id] <= 60


@pytest.mark.parametrize("runs", [False, True], ids=["waiting", "running"])
async def test_deleted_scenes_are_not_enqueued_again(env: Domain, runs: bool) -> None:
    """Nor are the scenes of a deleted job."""
    for _ in range(2):
        await env.a_job(1, start=True)
    first, second = env.tickets
    for ticket in (first, second) if runs else ():
        await claimed(env, ticket)
    async with env.store.change(first.job_id, LOCAL) as change:
        change.set_job(deleted_at=change.now)
        change.record(EventType.JOB_DELETED)
    async with env.store.change(second.job_id, LOCAL) as change:
        scene = await change.scene(second.scene_id)
        await change.write_scene(scene, EventType.SCENE_DELETED, ["deletedAt"], deleted_at=change.now)
    assert await reconciler.reconcile(env.store, RecordingQueue()) == 0


async def test_waiting_and_running_tickets_are_not_duplicated(env: Domain) -> None:
    """By several rounds of the reconciler during a render."""
    await env.a_job(3, start=True)
    queue, handled = a_queue(), list[str]()
    runs, hold, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(ticket: Ticket) -> None:
        handled.append(ticket.scene_id)
        held = await claimed(env, ticket)
        runs.set()
        await hold.wait()
        await claims.completed(env.store, held, {})
        if len(handled) == 3:
            done.set()

    await queue.enqueue(env.tickets)
    task = asyncio.create_task(queue.run(handle))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await runs.wait()
        for _ in range(3):
            assert await reconciler.reconcile(env.store, queue) == 3
        hold.set()
        await done.wait()
    task.cancel()
    await asyncio.wait([task])
    assert await reconciler.reconcile(env.store, queue) == 0
    assert handled == [ticket.scene_id for ticket in env.tickets]
    (job_id,) = {ticket.job_id for ticket in env.tickets}
    assert {scene.attempts for scene in (await env.job_state(job_id)).live} == {1}


@asynccontextmanager
async def coordinated(env: Domain, queue: EmbeddedQueue, provider: ScriptedProvider) -> AsyncGenerator[LocalBus]:
    """Run a coordinator whose dispatcher follows the commits of the store."""
    bus = LocalBus()
    dispatcher = Dispatcher(queue, bus, RunningRenders())
    env.commits.before, env.commits.after = dispatcher.before_commit, dispatcher.after_commit
    deps = RenderDeps(
        env.store,
        bus,
        MediaStore(str(env.folder / "media")),
        {OURS: provider},
        Inspections(),
        Adoptions(HttpClient(Policy())),
        Limits(first_backoff_seconds=0.05),
    )
    coordinator = Coordinator(
        deps,
        dispatcher,
        DeliveryDeps(Secrets(bytes(32)), HttpClient(Policy()), str),
        default_provider=OURS,
        policy=POLICY,
        log_retention=Retention(10_000, timedelta(days=7)),
    )
    await coordinator.start()
    try:
        yield bus
    finally:
        await coordinator.stop()


async def until(env: Domain, bus: LocalBus, job_id: str, condition: Callable[[JobState], bool]) -> JobState:
    """Wait until the condition is true of the job, and return it."""
    changed = asyncio.Event()
    stop = bus.listen(lambda _message: changed.set())
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not condition(state := await env.job_state(job_id)):
            await changed.wait()
            changed.clear()
    stop()
    return state


def settled(state: JobState) -> bool:
    """Whether the job's status is final."""
    return state.job.settled


@pytest.mark.parametrize("fails", [1, 2])
async def test_ticket_that_was_not_enqueued_is_enqueued_again_soon(
    env: Domain, caplog: pytest.LogCaptureFixture, fails: int
) -> None:
    """The command is acknowledged, and its render does not wait for the next round, even if the queue fails twice."""
    async with coordinated(env, Leaky(fails), ScriptedProvider()) as bus:
        job_id = await env.a_job(2, start=True)
        state = await until(env, bus, job_id, settled)
    assert (state.job.completed, state.job.total) == (2, 2)
    assert [record.levelname for record in caplog.records] == ["ERROR"] * fails


async def test_renders_running_at_a_stop_are_resumed_by_the_next_start(env: Domain) -> None:
    """With an empty queue: by the provider's id, as the same take, and recorded once."""
    provider = HeldProvider()
    async with coordinated(env, Leaky(0), provider) as bus:
        job_id = await env.a_job(3, start=True)
        await until(env, bus, job_id, lambda state: sum(scene.provider_id is not None for scene in state.live) == 2)
    assert (await env.job_state(job_id)).job.processing == 2
    provider.go.set()
    async with coordinated(env, Leaky(0), provider) as bus:
        state = await until(env, bus, job_id, settled)
    assert state.job.completed == 3
    assert [(scene.attempts, scene.take_number) for scene in state.live] == [(1, 1)] * 3
    assert {take.id: 1 for takes in state.takes.values() for take in takes} == provider.submissions
    completions = [event.scene_id for event in state.log if event.type is EventType.SCENE_COMPLETED]
    assert Counter(completions) == {scene.id: 1 for scene in state.live}
