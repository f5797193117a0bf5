"""Write transactions on SQLite that are cancelled while they are committed, alone or with others."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from models.db.sqlite_writer import ROWS_ON_LOOP
from models.domain.access import LOCAL
from models.domain.errors import Unavailable
from models.domain.events import EventType
from models.writes.change import Change
from models.writes.titles import fold_missing
from tests.support.domain import Domain, domain
from tests.support.shared_commits import Commits, Queue, versions
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = pytest.mark.usefixtures("database")


@pytest_asyncio.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    """The domain on a new database."""
    async with domain(tmp_path) as made:
        yield made


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    """The commits of this test."""
    return Commits(monkeypatch)


async def test_change_cancelled_while_the_commit_fails_is_not_reported(env: Domain, commits: Commits) -> None:
    """Nothing of it was written."""
    job_ids = [await env.a_job() for _ in range(3)]
    env.committed.clear()
    queue = Queue(env, commits)
    changes = [await queue.add(job_ids[0]), await queue.add(job_ids[1])]

    def fail(_change: Change) -> None:
        for each in changes:
            each.cancel()
        commits.failure = sqlite3.OperationalError("disk I/O error")

    await queue.add(job_ids[2], fail)
    errors = await queue.results()
    assert [type(error) for error in errors] == [asyncio.CancelledError, asyncio.CancelledError, Unavailable]
    assert await versions(env, job_ids) == [1, 1, 1]
    assert env.committed == []


@pytest.mark.parametrize("others", [0, 2])
async def test_change_cancelled_while_the_thread_writes_is_committed(
    env: Domain, commits: Commits, others: int
) -> None:
    """By a commit of its own, or as one of a group with more rows than the loop writes itself."""
    job_ids = [await env.a_job() for _ in range(1 + others)]
    env.committed.clear()
    entered, may_leave = asyncio.Event(), asyncio.Event()

    async def change_much() -> None:
        async with env.store.change(job_ids[0], LOCAL) as change:
            entered.set()
            await may_leave.wait()
            for _ in range(ROWS_ON_LOOP + 1):
                change.record(EventType.JOB_UPDATED)

    much = asyncio.create_task(change_much())
    await entered.wait()
    waiting = [asyncio.create_task(env.jobs.update(LOCAL, job_id, {"title": "Other"}, None)) for job_id in job_ids[1:]]
    await asyncio.sleep(0)
    commits.holds_thread = True
    may_leave.set()
    await asyncio.to_thread(commits.is_held.wait, TIMEOUT_SECONDS)
    much.cancel()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not much.done()
    commits.may_go_on.set()
    await asyncio.gather(*waiting)
    with pytest.raises(asyncio.CancelledError):
        await much
    assert await versions(env, job_ids) == [ROWS_ON_LOOP + 2] + [2] * others
    assert sorted(committed.job_id for committed in env.committed) == sorted(job_ids)


@pytest.mark.parametrize("cancelled", [True, False])
async def test_change_whose_own_commit_fails_is_not_reported(env: Domain, commits: Commits, *, cancelled: bool) -> None:
    """Nothing of it was written, and the next change is committed."""
    job_id = await env.a_job()
    env.committed.clear()
    commits.failure = sqlite3.OperationalError("disk I/O error")
    commits.holds_thread = True
    changing = asyncio.create_task(env.jobs.update(LOCAL, job_id, {"title": "Lost"}, None))
    await asyncio.to_thread(commits.is_held.wait, TIMEOUT_SECONDS)
    if cancelled:
        changing.cancel()
    commits.may_go_on.set()
    with pytest.raises(asyncio.CancelledError if cancelled else Unavailable):
        await changing
    assert (await versions(env, [job_id]), env.committed) == ([1], [])
    await env.jobs.update(LOCAL, job_id, {"title": "Kept"}, None)
    assert await versions(env, [job_id]) == [2]


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("which", [pytest.param(0, id="which commits the group"), pytest.param(1, id="of others")])
async def test_change_cancelled_while_it_waits_for_the_commit_is_committed(
    env: Domain, commits: Commits, which: int, times: int
) -> None:
    """The change is already part of the group; its caller is cancelled after the commit, and what must follow it."""
    job_ids = [await env.a_job() for _ in range(4)]
    queue = Queue(env, commits)
    log = queue.commits.log
    env.commits.after = lambda committed: log.append(f"job {job_ids.index(committed.job_id)}")
    changes = [await queue.add(job_ids[0]), await queue.add(job_ids[1])]

    def cancel(_change: Change) -> None:
        changes[which].cancel()
        changes[which].add_done_callback(lambda _: log.append("cancelled"))

    for job_id in job_ids[2 : 2 + times]:
        await queue.add(job_id, cancel)
    errors = await queue.results()
    assert [type(error) for error in errors[:2]] == [
        asyncio.CancelledError if index == which else type(None) for index in range(2)
    ]
    assert await versions(env, job_ids) == [2] * (2 + times) + [1] * (2 - times)
    assert sorted(each for each in log if each.startswith("job")) == [f"job {index}" for index in range(2 + times)]
    assert log.index("commit") < log.index(f"job {which}") < log.index("cancelled")


async def write(env: Domain) -> None:
    """Write nothing."""
    async with env.store.write() as connection:
        await connection.execute(sa.text("SELECT 1"))


async def fold(env: Domain) -> None:
    """Fold titles, of which none is left."""
    await fold_missing(env.store.database)


@pytest.mark.parametrize("writes", [pytest.param(write, id="write"), pytest.param(fold, id="folding of titles")])
async def test_write_cancelled_while_it_waits_for_the_commit_leaves_the_others_of_its_group(
    env: Domain, commits: Commits, writes: Callable[[Domain], Coroutine[None, None, None]]
) -> None:
    """It holds no turn then, and must not end that of another one."""
    job_ids = [await env.a_job() for _ in range(3)]
    queue = Queue(env, commits)
    await queue.add(job_ids[0])
    writing = asyncio.create_task(writes(env))
    await asyncio.sleep(0)
    await queue.add(job_ids[1], lambda _change: writing.cancel())
    await queue.add(job_ids[2])
    assert await queue.results() == [None] * 3
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert queue.commits.log.count("commit") == 1
    assert await versions(env, job_ids) == [2, 2, 2]
