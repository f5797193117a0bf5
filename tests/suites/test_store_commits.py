"""The commit of a write transaction: atomic, and reported to its listener only after the commit."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest

from models.db.database import Connection
from models.domain.access import LOCAL
from models.domain.events import EventType
from models.writes.change import Ticket, Work
from models.writes.store import Committed
from tests.support.domain import Domain, domain
from tests.support.transactions import Broken, CommitGate, committed_version, rename
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


async def test_after_commit_is_called_after_the_commit(env: Domain) -> None:
    """Another connection finds the reported version in the database."""
    job_id = await env.a_job()
    found: list[tuple[int | None, int]] = []
    env.commits.after = lambda committed: found.append((committed.version, committed_version(env, job_id)))
    await rename(env, job_id)
    await env.jobs.start(LOCAL, job_id)
    assert found == [(2, 2), (3, 3)]


async def test_before_commit_receives_the_work_inside_the_transaction(env: Domain) -> None:
    """A queue in the same database can enqueue it atomically; other connections do not see the change yet."""
    calls: list[tuple[Sequence[Work], int]] = []

    async def before_commit(connection: Connection, tickets: Sequence[Work]) -> None:
        own = (await connection.exec_driver_sql("SELECT max(version) FROM job")).scalar_one()
        calls.append((tickets, own))
        assert committed_version(env, job_id) == 1

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
    assert (await env.job_state(job_id)).job.version == 2


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
    assert committed_version(env, job_id) == 2
    assert [(committed.version, len(committed.tickets)) for committed in env.committed] == [(2, 1)]
    await rename(env, job_id)
    assert committed_version(env, job_id) == 3


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
    assert committed_version(env, job_id) == 2
    (record,) = caplog.records
    assert (record.levelname, record.exc_info is not None) == ("ERROR", True)
