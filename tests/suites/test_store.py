"""The write transaction: serialized per job, checked against the expected version, and recorded in the event log."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.commands import edits, jobs
from coordinator.commands.inputs import NewScene, SceneBatch
from coordinator.renders import claims
from models.domain.access import LOCAL
from models.domain.errors import Conflict, ErrorCode, InvalidState, NotFound
from models.domain.events import EventType
from models.domain.lifecycle import SceneStatus
from models.writes.change import Change, Tick
from models.writes.store import Committed
from tests.support.claiming import claim_ticket
from tests.support.domain import Domain, domain
from tests.support.transactions import rename
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


async def test_concurrent_updates_of_a_job_are_serialized_and_none_is_lost(env: Domain) -> None:
    """Each has one event in the log, whose versions have no gaps, and one report to the commit listener."""
    job_id = await env.a_job(4)
    targets = await env.targets(job_id)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await asyncio.gather(*(env.scenes.update(LOCAL, targets[n % 4], {"title": f"update {n}"}) for n in range(200)))
    state = await env.job_state(job_id)
    assert [event.version for event in state.log] == list(range(1, 202))
    assert [event.type for event in state.log] == [EventType.JOB_CREATED, *[EventType.SCENE_UPDATED] * 200]
    assert [sum(event.scene_id == target.scene_id for event in state.log) for target in targets] == [50] * 4
    assert state.job.version == 201
    assert sorted(committed.version or 0 for committed in env.committed) == list(range(1, 202))
    assert {scene.title for scene in state.live} <= {f"update {n}" for n in range(200)}


async def test_compare_and_set_by_expected_version_loses_no_update(env: Domain) -> None:
    """Twenty clients increment one counter; a client with a stale version is refused and reads again."""
    job_id = await env.a_job()

    async def add_one() -> None:
        while True:
            job = (await env.job_state(job_id)).job
            counted = {"count": job.metadata.get("count", 0) + 1}
            with suppress(Conflict):
                return await env.jobs.update(LOCAL, job_id, {"metadata": counted}, job.version)

    async with asyncio.timeout(TIMEOUT_SECONDS):
        await asyncio.gather(*(add_one() for _ in range(20)))
    assert (await env.job_state(job_id)).job.metadata == {"count": 20}


async def test_two_stores_on_one_database_lose_no_update(env: Domain) -> None:
    """A second process with its own connections waits for the lock of the first."""
    job_id = await env.a_job()
    other = Domain(env.folder)
    await asyncio.gather(
        *(rename(which, job_id, f"{name} {n}") for n in range(25) for name, which in [("one", env), ("other", other)])
    )
    await other.close()
    state = await env.job_state(job_id)
    assert [event.version for event in state.log] == list(range(1, 52))


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
    before = (await env.job_state(job_id)).job
    await env.scenes.update(LOCAL, target, {"percentage": 50.0})
    state = await env.job_state(job_id)
    assert (state.job, len(state.log), state.live[0].percentage) == (before, before.version, 50.0)
    assert env.committed[-1] == Committed(job_id, None, [Tick(job_id, target.scene_id)], [], [])


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


@pytest.mark.sqlite_alone
async def test_deleted_job_refuses_every_command(env: Domain) -> None:
    """Its scenes do as well, and its tickets claim nothing."""
    job_id = await env.a_job(2, start=True)
    targets = await env.targets(job_id)
    held = await claim_ticket(env.store, env.tickets[0], "worker")
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
    assert await claim_ticket(env.store, env.tickets[1], "worker") is None
    assert env.dump() == before


async def test_event_log_names_the_actor(env: Domain) -> None:
    """Events of the system have no actor."""
    job_id = await env.a_job(start=True)
    await claim_ticket(env.store, env.tickets[0], "worker")
    actors = [(event.type, event.actor_id) for event in (await env.job_state(job_id)).log]
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
    state = await env.job_state(job_id)
    assert [event.type for event in state.log] == [EventType.JOB_CREATED, *[EventType.SCENE_UPDATED] * 2]
    assert [(scene.title, scene.position) for scene in state.live] == [("Before", 0), (None, 1), ("After", 2)]
    assert (state.job.version, state.job.pending, state.job.left_draft) == (3, 3, False)
    committed = env.committed[-1]
    assert (committed.tickets, committed.fenced, committed.ticks) == ([], [], [])


async def test_each_take_of_a_batch_is_queued_behind_the_one_before(env: Domain) -> None:
    """The takes that one change enqueues count as waiting takes of their owner at once."""
    job_id = await env.a_job(3)
    await env.jobs.start(LOCAL, job_id)
    await env.jobs.cancel(LOCAL, job_id)
    await env.batches.regenerate(LOCAL, SceneBatch(job_id, status=[SceneStatus.CANCELED]))
    assert [ticket.priority for ticket in env.committed[-1].tickets] == [0, -1, -2]


async def test_refused_attempt_does_not_lower_the_priority_of_later_tickets(env: Domain) -> None:
    """The takes that the refused attempt had enqueued do not count as waiting takes of the owner."""
    priorities: list[list[int]] = []
    for attempts in (0, 1):
        job_id = await env.a_job(2)
        async with env.store.change(job_id, LOCAL) as change:
            for _ in range(attempts):
                with suppress(NotFound):
                    async with change.attempt():
                        await jobs.start_job(change)
                        raise NotFound("There is no such thing.", [], None)
            await jobs.start_job(change)
        priorities.append([ticket.priority for ticket in env.committed[-1].tickets])
        await env.jobs.cancel(LOCAL, job_id)
    assert len(priorities[0]) == 2
    assert priorities[0] == priorities[1]
