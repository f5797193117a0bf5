"""The write transaction: atomic, serialized per job, and reported to its listener only after the commit."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coordinator.commands import edits, jobs
from coordinator.commands.inputs import NewScene
from coordinator.renders import claims
from models.db.database import Connection
from models.domain.access import LOCAL
from models.domain.errors import Conflict, ErrorCode, InvalidState, NotFound
from models.domain.events import EventType
from models.domain.lifecycle import SceneStatus
from models.writes.change import Change, Tick, Ticket, Work
from models.writes.store import Committed
from tests.support.domain import Domain, domain
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]


class Broken(Exception):
    """The error that these tests inject."""


class CommitGate:
    """Holds a transaction before its commit until it is opened, and then lets it commit or raises Broken."""

    def __init__(self, env: Domain, *, breaks: bool = False) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._breaks = breaks
        env.commits.before = self._wait

    async def _wait(self, _connection: Connection, _tickets: Sequence[Work]) -> None:
        self.reached.set()
        await self.open.wait()
        if self._breaks:
            raise Broken


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


def version_outside(env: Domain, job_id: str) -> int:
    """Return the committed version, read by another connection."""
    return env.outside.rows("SELECT version FROM job WHERE id = :id", id=job_id)[0][0]


async def rename(env: Domain, job_id: str, title: str = "Another title") -> None:
    """Make one change to a job."""
    await env.jobs.update(LOCAL, job_id, {"title": title})


async def test_concurrent_updates_of_a_job_are_serialized_and_none_is_lost(env: Domain) -> None:
    """Each has one event in the log, whose versions have no gaps, and one report to the commit listener."""
    job_id = await env.a_job(4)
    targets = await env.targets(job_id)
    async with asyncio.timeout(60):
        await asyncio.gather(*(env.scenes.update(LOCAL, targets[n % 4], {"title": f"update {n}"}) for n in range(200)))
    seen = await env.look(job_id)
    assert [event.version for event in seen.log] == list(range(1, 202))
    assert [event.type for event in seen.log] == [EventType.JOB_CREATED, *[EventType.SCENE_UPDATED] * 200]
    assert [sum(event.scene_id == target.scene_id for event in seen.log) for target in targets] == [50] * 4
    assert seen.job.version == 201
    assert sorted(committed.version or 0 for committed in env.committed) == list(range(1, 202))
    assert {scene.title for scene in seen.live} <= {f"update {n}" for n in range(200)}


async def test_compare_and_set_by_expected_version_loses_no_update(env: Domain) -> None:
    """Twenty clients increment one counter; a client with a stale version is refused and reads again."""
    job_id = await env.a_job()

    async def add_one() -> None:
        while True:
            job = (await env.look(job_id)).job
            counted = {"count": job.metadata.get("count", 0) + 1}
            with suppress(Conflict):
                return await env.jobs.update(LOCAL, job_id, {"metadata": counted}, job.version)

    async with asyncio.timeout(60):
        await asyncio.gather(*(add_one() for _ in range(20)))
    assert (await env.look(job_id)).job.metadata == {"count": 20}


async def test_two_stores_on_one_database_lose_no_update(env: Domain) -> None:
    """A second process with its own connections waits for the lock of the first."""
    job_id = await env.a_job()
    other = Domain(env.folder)
    await asyncio.gather(
        *(rename(which, job_id, f"{name} {n}") for n in range(25) for name, which in [("one", env), ("other", other)])
    )
    await other.close()
    seen = await env.look(job_id)
    assert [event.version for event in seen.log] == list(range(1, 52))


async def test_after_commit_is_called_after_the_commit(env: Domain) -> None:
    """Another connection finds the reported version in the database."""
    job_id = await env.a_job()
    found: list[tuple[int | None, int]] = []
    env.commits.after = lambda committed: found.append((committed.version, version_outside(env, job_id)))
    await rename(env, job_id)
    await env.jobs.start(LOCAL, job_id)
    assert found == [(2, 2), (3, 3)]


async def test_before_commit_receives_the_work_inside_the_transaction(env: Domain) -> None:
    """A queue in the same database can enqueue it atomically; other connections do not see the change yet."""
    calls: list[tuple[Sequence[Work], int]] = []

    async def before_commit(connection: Connection, tickets: Sequence[Work]) -> None:
        own = (await connection.exec_driver_sql("SELECT max(version) FROM job")).scalar_one()
        calls.append((tickets, own))
        assert version_outside(env, job_id) == 1

    job_id = await env.a_job(2)
    env.commits.before = before_commit
    await env.jobs.start(LOCAL, job_id)
    assert calls == [(env.committed[-1].tickets, 2)]
    assert [work.scene_id for work in calls[0][0] if isinstance(work, Ticket)] == [
        target.scene_id for target in await env.targets(job_id)
    ]


async def test_failed_change_is_rolled_back(env: Domain) -> None:
    """It leaves no rows and is not reported, and the next change succeeds."""
    job_id = await env.a_job(2)
    before, env.committed[:] = env.dump(), []

    async def fail() -> None:
        async with env.store.change(job_id, LOCAL) as change:
            change.set_job(title="half done")
            await change.write_scene((await change.live_scenes())[0], EventType.SCENE_UPDATED, ["title"], title="half")
            raise Broken

    with pytest.raises(Broken):
        await fail()
    assert (env.dump(), env.committed) == (before, [])
    await rename(env, job_id)
    assert [committed.version for committed in env.committed] == [2]


async def test_failed_creation_of_a_job_is_rolled_back(env: Domain) -> None:
    """The row of the job, which was inserted first, is gone as well."""
    before = env.dump()
    CommitGate(env, breaks=True).open.set()
    with pytest.raises(Broken):
        await env.a_job(2, start=True)
    assert (env.dump(), env.committed) == (before, [])


async def test_failed_enqueue_in_the_transaction_rolls_the_change_back(env: Domain) -> None:
    """The change is not reported either."""
    job_id = await env.a_job()
    before, env.committed[:] = env.dump(), []
    CommitGate(env, breaks=True).open.set()
    with pytest.raises(Broken):
        await env.jobs.start(LOCAL, job_id)
    assert (env.dump(), env.committed) == (before, [])


async def test_change_without_an_event_writes_nothing(env: Domain) -> None:
    """Not even the version of the job, and it is not reported."""
    job_id = await env.a_job()
    before, env.committed[:] = env.dump(), []
    await rename(env, job_id, "A job")
    async with env.store.change(job_id, LOCAL):
        pass
    assert (env.dump(), env.committed) == (before, [])


async def test_progress_of_a_render_does_not_raise_the_version(env: Domain) -> None:
    """A reported percentage alone is a tick without a version, and no event of the log."""
    job_id = await env.a_job()
    (target,) = await env.targets(job_id)
    await env.scenes.update(LOCAL, target, {"status": SceneStatus.PROCESSING})
    before = (await env.look(job_id)).job
    await env.scenes.update(LOCAL, target, {"percentage": 50.0})
    seen = await env.look(job_id)
    assert (seen.job, len(seen.log), seen.live[0].percentage) == (before, before.version, 50.0)
    assert env.committed[-1] == Committed(job_id, None, [Tick(job_id, target.scene_id)], [], [])


async def test_cancellation_before_the_commit_rolls_the_change_back(env: Domain) -> None:
    """The next change succeeds."""
    job_id = await env.a_job()
    before, env.committed[:] = env.dump(), []
    inside = asyncio.Event()

    async def change_slowly() -> None:
        async with env.store.change(job_id, LOCAL) as change:
            change.record(EventType.JOB_UPDATED)
            inside.set()
            await asyncio.sleep(TIMEOUT_SECONDS)

    task = asyncio.create_task(change_slowly())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (env.dump(), env.committed) == (before, [])
    await rename(env, job_id)
    assert (await env.look(job_id)).job.version == 2


@pytest.mark.parametrize("times", [1, 3])
async def test_cancellation_during_the_commit_does_not_suppress_its_report(env: Domain, times: int) -> None:
    """Repeated cancellations neither interrupt the commit nor what follows it."""
    job_id = await env.a_job()
    env.committed.clear()
    gate = CommitGate(env)
    task = asyncio.create_task(env.jobs.start(LOCAL, job_id))
    await gate.reached.wait()
    await cancel(task, times)
    assert not task.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert version_outside(env, job_id) == 2
    assert [(committed.version, len(committed.tickets)) for committed in env.committed] == [(2, 1)]
    await rename(env, job_id)
    assert version_outside(env, job_id) == 3


async def test_cancellation_during_a_failing_commit_leaves_no_unretrieved_exception(env: Domain) -> None:
    """Nothing is written or reported, and the loop does not log the exception later."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
    job_id = await env.a_job()
    before, env.committed[:] = env.dump(), []
    gate = CommitGate(env, breaks=True)
    task = asyncio.create_task(rename(env, job_id))
    await gate.reached.wait()
    await cancel(task, 2)
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()
    assert (env.dump(), env.committed, unhandled) == (before, [], [])


async def cancel(task: asyncio.Task[None], times: int) -> None:
    """Cancel repeatedly, as a scope that is being left does, and let the task run each time."""
    for _ in range(times):
        task.cancel()
        for _ in range(3):
            await asyncio.sleep(0)


async def test_error_after_a_commit_is_logged_and_the_change_is_acknowledged(
    env: Domain, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets no exception; the log has one error record with a traceback."""
    job_id = await env.a_job()

    def fail(_committed: Committed) -> None:
        raise Broken

    env.commits.after = fail
    await rename(env, job_id)
    assert version_outside(env, job_id) == 2
    (record,) = caplog.records
    assert (record.levelname, record.exc_info is not None) == ("ERROR", True)


@pytest.mark.parametrize(
    "job_id",
    ["", "job_1", "scene_01h455vb4pex5vsknk084sn02q", "job_01h455vb4pex5vsknk084sn02q", "job_\0", "job_\ud800"],
)
async def test_change_of_an_unknown_job_is_refused_as_not_found(env: Domain, job_id: str) -> None:
    """Malformed ids and ids of no job get the same answer."""
    with pytest.raises(NotFound) as missing:
        await rename(env, job_id)
    assert (missing.value.code, missing.value.path, missing.value.missing_id) == (
        ErrorCode.NOT_FOUND,
        ["input", "jobId"],
        job_id,
    )


async def test_deleted_job_refuses_every_command(env: Domain) -> None:
    """Its scenes do as well, and its tickets claim nothing."""
    job_id = await env.a_job(2, start=True)
    targets = await env.targets(job_id)
    held = await claims.claim(env.store, env.tickets[0], "worker")
    assert held is not None
    async with env.store.change(job_id, LOCAL) as change:
        change.set_job(deleted_at=change.now, purge_after=change.now)
        change.record(EventType.JOB_DELETED)
    before = env.dump()
    for work in (
        rename(env, job_id),
        env.jobs.start(LOCAL, job_id),
        env.jobs.cancel(LOCAL, job_id),
        env.scenes.add(LOCAL, job_id, NewScene("late")),
        env.scenes.update(LOCAL, targets[0], {"title": "late"}),
        env.scenes.cancel(LOCAL, targets[1]),
        env.scenes.move(LOCAL, targets[1], 0),
        env.scenes.delete(LOCAL, targets[1]),
        claims.completed(env.store, held, {}),
    ):
        with pytest.raises(InvalidState) as refused:
            await work
        assert refused.value.code is ErrorCode.ALREADY_DELETED
    assert await claims.claim(env.store, env.tickets[1], "worker") is None
    assert env.dump() == before


async def test_event_log_names_the_actor(env: Domain) -> None:
    """Events of the system have no actor."""
    job_id = await env.a_job(start=True)
    await claims.claim(env.store, env.tickets[0], "worker")
    actors = [(event.type, event.actor_id) for event in (await env.look(job_id)).log]
    assert actors == [
        (EventType.JOB_CREATED, LOCAL.id),
        (EventType.JOB_STARTED, LOCAL.id),
        (EventType.SCENE_STARTED, None),
    ]


async def test_stale_version_is_refused_with_the_current_version(env: Domain) -> None:
    """Of a job, and of a scene."""
    job_id = await env.a_job()
    (target,) = await env.targets(job_id)
    await rename(env, job_id)
    for work in (
        env.jobs.update(LOCAL, job_id, {"title": "late"}, 1),
        env.scenes.cancel(LOCAL, replace(target, expected_version=7)),
    ):
        with pytest.raises(Conflict) as conflict:
            await work
        assert conflict.value.path == ["input", "expectedVersion"]
    assert conflict.value.current_version == 1


async def test_refused_attempt_within_a_change_is_undone(env: Domain) -> None:
    """Its rows, counters, events, tickets and play order; what was done before and after it stays."""
    job_id = await env.a_job(3)
    first, second, third = await env.targets(job_id)

    async def refused_at_the_end(change: Change, scene_id: str) -> None:
        await jobs.start_job(change)
        change.fenced.append(scene_id)
        change.ticks.append(Tick(job_id, scene_id))
        (await change.arrangement()).delete(scene_id)
        scene = await change.scene(scene_id)
        await change.write_scene(scene, EventType.SCENE_DELETED, ["deletedAt"], deleted_at=change.now)
        raise NotFound("There is no such thing.", [], None)

    async with env.store.change(job_id, LOCAL) as change:
        await edits.apply(change, await change.scene(first.scene_id), {"title": "Before"}, [])
        with suppress(NotFound):
            async with change.attempt():
                await refused_at_the_end(change, second.scene_id)
        await edits.apply(change, await change.scene(third.scene_id), {"title": "After"}, [])
    seen = await env.look(job_id)
    assert [event.type for event in seen.log] == [EventType.JOB_CREATED, *[EventType.SCENE_UPDATED] * 2]
    assert [(scene.title, scene.position) for scene in seen.live] == [("Before", 0), (None, 1), ("After", 2)]
    assert (seen.job.version, seen.job.pending, seen.job.left_draft) == (3, 3, False)
    committed = env.committed[-1]
    assert (committed.tickets, committed.fenced, committed.ticks) == ([], [], [])
