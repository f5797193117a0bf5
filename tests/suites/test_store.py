"""The write transaction: all or nothing, one after another, and told to others only once it is true."""

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
    """What goes wrong in these tests."""


class Gate:
    """Holds a transaction just before its commit until it is opened, or breaks it then."""

    def __init__(self, world: Domain, *, breaks: bool = False) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._breaks = breaks
        world.commits.before = self._wait

    async def _wait(self, _connection: Connection, _tickets: Sequence[Work]) -> None:
        self.reached.set()
        await self.open.wait()
        if self._breaks:
            raise Broken


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as world:
        yield world


def version_outside(world: Domain, job_id: str) -> int:
    """The version that another program finds."""
    return world.outside.rows("SELECT version FROM job WHERE id = :id", id=job_id)[0][0]


async def rename(world: Domain, job_id: str, title: str = "Another title") -> None:
    """Make one change to a job."""
    await world.jobs.update(LOCAL, job_id, {"title": title})


async def test_two_hundred_concurrent_updates_lose_none(world: Domain) -> None:
    """Each is in the log once, in one order, without a hole; and each was announced once."""
    job_id = await world.a_job(4)
    targets = await world.targets(job_id)
    async with asyncio.timeout(60):
        await asyncio.gather(
            *(world.scenes.update(LOCAL, targets[n % 4], {"title": f"update {n}"}) for n in range(200))
        )
    seen = await world.look(job_id)
    assert [event.version for event in seen.log] == list(range(1, 202))
    assert [event.type for event in seen.log] == [EventType.JOB_CREATED, *[EventType.SCENE_UPDATED] * 200]
    assert [sum(event.scene_id == target.scene_id for event in seen.log) for target in targets] == [50] * 4
    assert seen.job.version == 201
    assert sorted(committed.version or 0 for committed in world.committed) == list(range(1, 202))
    assert {scene.title for scene in seen.live} <= {f"update {n}" for n in range(200)}


async def test_who_compares_and_sets_overwrites_nobody(world: Domain) -> None:
    """Twenty count together in a field; each of them sees every other's count before adding its own."""
    job_id = await world.a_job()

    async def add_one() -> None:
        while True:
            job = (await world.look(job_id)).job
            counted = {"count": job.metadata.get("count", 0) + 1}
            with suppress(Conflict):
                return await world.jobs.update(LOCAL, job_id, {"metadata": counted}, job.version)

    async with asyncio.timeout(60):
        await asyncio.gather(*(add_one() for _ in range(20)))
    assert (await world.look(job_id)).job.metadata == {"count": 20}


async def test_two_programs_share_a_file(world: Domain) -> None:
    """A second program with connections of its own waits its turn; neither loses anything."""
    job_id = await world.a_job()
    other = Domain(world.folder)
    await asyncio.gather(
        *(rename(which, job_id, f"{name} {n}") for n in range(25) for name, which in [("one", world), ("other", other)])
    )
    await other.close()
    seen = await world.look(job_id)
    assert [event.version for event in seen.log] == list(range(1, 52))


async def test_it_is_true_before_it_is_told(world: Domain) -> None:
    """Whoever is told of a version finds it in the database."""
    job_id = await world.a_job()
    found: list[tuple[int | None, int]] = []
    world.commits.after = lambda told: found.append((told.version, version_outside(world, job_id)))
    await rename(world, job_id)
    await world.jobs.start(LOCAL, job_id)
    assert found == [(2, 2), (3, 3)]


async def test_what_is_to_be_dispatched_is_known_before_the_commit(world: Domain) -> None:
    """A queue in the same database can write its rows in the very transaction; nobody else sees it yet."""
    told: list[tuple[Sequence[Work], int]] = []

    async def before_commit(connection: Connection, tickets: Sequence[Work]) -> None:
        own = (await connection.exec_driver_sql("SELECT max(version) FROM job")).scalar_one()
        told.append((tickets, own))
        assert version_outside(world, job_id) == 1

    job_id = await world.a_job(2)
    world.commits.before = before_commit
    await world.jobs.start(LOCAL, job_id)
    assert told == [(world.committed[-1].tickets, 2)]
    assert [work.scene_id for work in told[0][0] if isinstance(work, Ticket)] == [
        target.scene_id for target in await world.targets(job_id)
    ]


async def test_a_change_that_fails_leaves_nothing(world: Domain) -> None:
    """Neither rows nor announcements, and the next change goes through."""
    job_id = await world.a_job(2)
    before, world.committed[:] = world.dump(), []

    async def fail() -> None:
        async with world.store.change(job_id, LOCAL) as change:
            change.set_job(title="half done")
            await change.write_scene((await change.live_scenes())[0], EventType.SCENE_UPDATED, ["title"], title="half")
            raise Broken

    with pytest.raises(Broken):
        await fail()
    assert (world.dump(), world.committed) == (before, [])
    await rename(world, job_id)
    assert [committed.version for committed in world.committed] == [2]


async def test_a_job_whose_making_fails_never_was(world: Domain) -> None:
    """Also the row that was written first is gone."""
    before = world.dump()
    Gate(world, breaks=True).open.set()
    with pytest.raises(Broken):
        await world.a_job(2, start=True)
    assert (world.dump(), world.committed) == (before, [])


async def test_a_commit_that_fails_is_not_told(world: Domain) -> None:
    """What must join the transaction and cannot takes the change with it."""
    job_id = await world.a_job()
    before, world.committed[:] = world.dump(), []
    Gate(world, breaks=True).open.set()
    with pytest.raises(Broken):
        await world.jobs.start(LOCAL, job_id)
    assert (world.dump(), world.committed) == (before, [])


async def test_no_event_no_change(world: Domain) -> None:
    """What would change nothing writes nothing, not even the version, and tells nobody."""
    job_id = await world.a_job()
    before, world.committed[:] = world.dump(), []
    await rename(world, job_id, "A job")
    async with world.store.change(job_id, LOCAL):
        pass
    assert (world.dump(), world.committed) == (before, [])


async def test_how_far_a_render_is_does_not_move_the_clock(world: Domain) -> None:
    """A report of a fraction alone is told without a version and is not in the log."""
    job_id = await world.a_job()
    (target,) = await world.targets(job_id)
    await world.scenes.update(LOCAL, target, {"status": SceneStatus.PROCESSING})
    before = (await world.look(job_id)).job
    await world.scenes.update(LOCAL, target, {"percentage": 50.0})
    seen = await world.look(job_id)
    assert (seen.job, len(seen.log), seen.live[0].percentage) == (before, before.version, 50.0)
    assert world.committed[-1] == Committed(job_id, None, [Tick(job_id, target.scene_id)], [], [])


async def test_who_leaves_within_a_change_leaves_nothing(world: Domain) -> None:
    """A caller that goes away before the commit has changed nothing."""
    job_id = await world.a_job()
    before, world.committed[:] = world.dump(), []
    inside = asyncio.Event()

    async def dawdle() -> None:
        async with world.store.change(job_id, LOCAL) as change:
            change.record(EventType.JOB_UPDATED)
            inside.set()
            await asyncio.sleep(TIMEOUT_SECONDS)

    task = asyncio.create_task(dawdle())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (world.dump(), world.committed) == (before, [])
    await rename(world, job_id)
    assert (await world.look(job_id)).job.version == 2


@pytest.mark.parametrize("times", [1, 3])
async def test_who_leaves_in_mid_commit_does_not_take_the_announcement_along(world: Domain, times: int) -> None:
    """Between a commit and what follows from it nobody may interrupt, however often they try."""
    job_id = await world.a_job()
    world.committed.clear()
    gate = Gate(world)
    task = asyncio.create_task(world.jobs.start(LOCAL, job_id))
    await gate.reached.wait()
    await cancel(task, times)
    assert not task.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert version_outside(world, job_id) == 2
    assert [(told.version, len(told.tickets)) for told in world.committed] == [(2, 1)]
    await rename(world, job_id)
    assert version_outside(world, job_id) == 3


async def test_who_leaves_in_a_commit_that_fails(world: Domain) -> None:
    """Nothing is written, nobody is told, and the failure is not cried out at some later time."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    job_id = await world.a_job()
    before, world.committed[:] = world.dump(), []
    gate = Gate(world, breaks=True)
    task = asyncio.create_task(rename(world, job_id))
    await gate.reached.wait()
    await cancel(task, 2)
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()
    assert (world.dump(), world.committed, complaints) == (before, [], [])


async def cancel(task: asyncio.Task[None], times: int) -> None:
    """Cancel again and again, as a scope does that is being left, and let the task hear it each time."""
    for _ in range(times):
        task.cancel()
        for _ in range(3):
            await asyncio.sleep(0)


async def test_what_goes_wrong_after_a_commit_does_not_unmake_it(
    world: Domain, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller has its change, and the log tells an operator what went wrong."""
    job_id = await world.a_job()

    def fail(_committed: Committed) -> None:
        raise Broken

    world.commits.after = fail
    await rename(world, job_id)
    assert version_outside(world, job_id) == 2
    (record,) = caplog.records
    assert (record.levelname, record.exc_info is not None) == ("ERROR", True)


@pytest.mark.parametrize(
    "job_id",
    ["", "job_1", "scene_01h455vb4pex5vsknk084sn02q", "job_01h455vb4pex5vsknk084sn02q", "job_\0", "job_\ud800"],
)
async def test_no_such_job(world: Domain, job_id: str) -> None:
    """What cannot be an id and what is none are the same to the caller."""
    with pytest.raises(NotFound) as missing:
        await rename(world, job_id)
    assert (missing.value.code, missing.value.path, missing.value.missing_id) == (
        ErrorCode.NOT_FOUND,
        ["input", "jobId"],
        job_id,
    )


async def test_a_deleted_job_refuses_everything(world: Domain) -> None:
    """And so do its scenes."""
    job_id = await world.a_job(2, start=True)
    targets = await world.targets(job_id)
    held = await claims.claim(world.store, world.tickets[0], "worker")
    assert held is not None
    async with world.store.change(job_id, LOCAL) as change:
        change.set_job(deleted_at=change.now, purge_after=change.now)
        change.record(EventType.JOB_DELETED)
    before = world.dump()
    for work in (
        rename(world, job_id),
        world.jobs.start(LOCAL, job_id),
        world.jobs.cancel(LOCAL, job_id),
        world.scenes.add(LOCAL, job_id, NewScene("late")),
        world.scenes.update(LOCAL, targets[0], {"title": "late"}),
        world.scenes.cancel(LOCAL, targets[1]),
        world.scenes.move(LOCAL, targets[1], 0),
        world.scenes.delete(LOCAL, targets[1]),
        claims.completed(world.store, held, {}),
    ):
        with pytest.raises(InvalidState) as refused:
            await work
        assert refused.value.code is ErrorCode.ALREADY_DELETED
    assert await claims.claim(world.store, world.tickets[1], "worker") is None
    assert world.dump() == before


async def test_the_log_tells_who_did_it(world: Domain) -> None:
    """A person is named, the system is not."""
    job_id = await world.a_job(start=True)
    await claims.claim(world.store, world.tickets[0], "worker")
    actors = [(event.type, event.actor_id) for event in (await world.look(job_id)).log]
    assert actors == [
        (EventType.JOB_CREATED, LOCAL.id),
        (EventType.JOB_STARTED, LOCAL.id),
        (EventType.SCENE_STARTED, None),
    ]


async def test_a_refusal_names_the_version_that_is_true(world: Domain) -> None:
    """So that a client can read again and try once more."""
    job_id = await world.a_job()
    (target,) = await world.targets(job_id)
    await rename(world, job_id)
    for work in (
        world.jobs.update(LOCAL, job_id, {"title": "late"}, 1),
        world.scenes.cancel(LOCAL, replace(target, expected_version=7)),
    ):
        with pytest.raises(Conflict) as conflict:
            await work
        assert conflict.value.path == ["input", "expectedVersion"]
    assert conflict.value.current_version == 1


async def test_an_attempt_that_is_refused_leaves_no_trace(world: Domain) -> None:
    """Neither rows nor counters, events, tickets or the play order; what was done before and after it stays."""
    job_id = await world.a_job(3)
    first, second, third = await world.targets(job_id)

    async def refused_in_the_end(change: Change, scene_id: str) -> None:
        await jobs.start_job(change)
        change.fenced.append(scene_id)
        change.ticks.append(Tick(job_id, scene_id))
        (await change.arrangement()).delete(scene_id)
        scene = await change.scene(scene_id)
        await change.write_scene(scene, EventType.SCENE_DELETED, ["deletedAt"], deleted_at=change.now)
        raise NotFound("There is no such thing.", [], None)

    async with world.store.change(job_id, LOCAL) as change:
        await edits.apply(change, await change.scene(first.scene_id), {"title": "Before"}, [])
        with suppress(NotFound):
            async with change.attempt():
                await refused_in_the_end(change, second.scene_id)
        await edits.apply(change, await change.scene(third.scene_id), {"title": "After"}, [])
    seen = await world.look(job_id)
    assert [event.type for event in seen.log] == [EventType.JOB_CREATED, *[EventType.SCENE_UPDATED] * 2]
    assert [(scene.title, scene.position) for scene in seen.live] == [("Before", 0), (None, 1), ("After", 2)]
    assert (seen.job.version, seen.job.pending, seen.job.left_draft) == (3, 3, False)
    told = world.committed[-1]
    assert (told.tickets, told.fenced, told.ticks) == ([], [], [])
