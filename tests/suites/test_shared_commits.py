"""Write transactions on SQLite that share a commit: durable together, and independent in everything else."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from models.db.database import Database
from models.domain.access import LOCAL
from models.domain.errors import NotFound, Unavailable
from models.domain.events import EventType
from models.writes.change import Change
from tests.support.database_choice import database_choice
from tests.support.domain import Domain, domain
from tests.support.jobs import seeded
from tests.support.shared_commits import Commits, Queue, versions

pytestmark = pytest.mark.usefixtures("database")

REFUSED = NotFound("There is no such thing.", [], None)


@pytest_asyncio.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    """The domain on a new database."""
    async with domain(tmp_path) as made:
        yield made


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> Commits:
    """The commits of this test."""
    return Commits(monkeypatch)


def refuse(_change: Change) -> None:
    raise REFUSED


async def test_changes_that_wait_share_one_commit(env: Domain, commits: Commits) -> None:
    """Changes of one job or of several share it; none is acknowledged before it."""
    job_ids = [await env.a_job() for _ in range(3)]
    queue = Queue(env, commits)
    for job_id in (*job_ids, *job_ids):
        await queue.add(job_id)
    assert await queue.results() == [None] * 6
    assert queue.commits.log == ["commit"] + ["acknowledged"] * 6
    assert await versions(env, job_ids) == [3, 3, 3]
    for job_id in job_ids:
        assert [event.version for event in (await env.job_state(job_id)).log] == [1, 2, 3]


async def test_change_without_contention_commits_at_once(env: Domain, commits: Commits) -> None:
    """Sequential changes have a commit each."""
    job_id = await env.a_job()
    commits.log.clear()
    for _ in range(2):
        await env.jobs.update(LOCAL, job_id, {"title": "Again"}, None)
        commits.log.append("acknowledged")
    # The second changed nothing.
    assert commits.log == ["commit", "acknowledged", "acknowledged"]


@pytest.mark.parametrize("refused", range(4))
async def test_refused_change_leaves_the_others_of_its_group(env: Domain, commits: Commits, refused: int) -> None:
    """The refused change is the first, a middle or the last one of the queue."""
    job_ids = [await env.a_job() for _ in range(4)]
    queue = Queue(env, commits)
    for number, job_id in enumerate(job_ids):
        await queue.add(job_id, refuse if number == refused else None)
    expected = [REFUSED if number == refused else None for number in range(4)]
    assert await queue.results() == expected
    assert await versions(env, job_ids) == [1 if error else 2 for error in expected]


@pytest.mark.parametrize("commit_fails", [False, True])
async def test_refusal_is_not_returned_before_the_changes_it_has_read_are_committed(
    env: Domain, commits: Commits, commit_fails: bool
) -> None:
    """Otherwise the refusal could depend on a change that was rolled back."""
    job_ids = [await env.a_job() for _ in range(3)]
    queue = Queue(env, commits)
    await queue.add(job_ids[0])
    refused = await queue.add(job_ids[1], refuse)
    refused.add_done_callback(lambda _: queue.commits.log.append("refused"))
    await queue.add(job_ids[2])
    if commit_fails:
        queue.commits.failure = sqlite3.OperationalError("database or disk is full")
    errors = await queue.results()
    if commit_fails:
        assert [type(error) for error in errors] == [Unavailable] * 3
    else:
        assert errors == [None, REFUSED, None]
        assert queue.commits.log.index("commit") < queue.commits.log.index("refused")


@pytest.mark.parametrize("text", ["database or disk is full", "disk I/O error"])
async def test_failed_commit_acknowledges_no_change_of_the_group(env: Domain, commits: Commits, text: str) -> None:
    """All changes fail for the same reason, none is written or reported, and the next change succeeds."""
    job_ids = [await env.a_job() for _ in range(3)]
    env.committed.clear()
    queue = Queue(env, commits)
    for job_id in job_ids:
        await queue.add(job_id)
    queue.commits.failure = sqlite3.OperationalError(text)
    errors = await queue.results()
    assert [isinstance(error, Unavailable) and error.code for error in errors] == ["STORAGE"] * 3
    assert (queue.commits.log, env.committed) == ([], [])
    assert await versions(env, job_ids) == [1, 1, 1]
    await env.jobs.update(LOCAL, job_ids[0], {"title": "Later"}, None)
    assert await versions(env, job_ids) == [2, 1, 1]


async def test_group_that_the_database_rolled_back_is_not_acknowledged(env: Domain, commits: Commits) -> None:
    """After some errors SQLite rolls back the whole transaction, completed changes of others included."""
    job_ids = [await env.a_job() for _ in range(3)]
    queue = Queue(env, commits)

    async def full_disk(job_id: str) -> None:
        async with env.store.change(job_id, LOCAL) as change:
            await (await change.connection()).exec_driver_sql("ROLLBACK")
            raise REFUSED

    first = await queue.add(job_ids[0])
    failing = asyncio.create_task(full_disk(job_ids[1]))
    await asyncio.sleep(0)
    last = await queue.add(job_ids[2])
    errors = await queue.results()
    with pytest.raises(NotFound):
        await failing
    assert (first.done(), last.done()) == (True, True)
    assert isinstance(errors[0], Unavailable)
    written = await versions(env, job_ids)
    assert written == [1, 1, 1 if errors[1] else 2]
    await env.jobs.update(LOCAL, job_ids[0], {"title": "Later"}, None)
    assert (await versions(env, job_ids))[0] == 2


async def test_random_changes_are_written_if_and_only_if_they_are_acknowledged(env: Domain) -> None:
    """Some changes are refused, some are cancelled at any instant; a cancelled one may be written, and then is
    reported."""
    randomness = seeded("shared commits")
    job_ids = [await env.a_job() for _ in range(3)]
    reported: dict[str, list[int]] = {job_id: [] for job_id in job_ids}
    env.commits.after = lambda committed: reported[committed.job_id].append(committed.version or 0)
    acknowledged, ambiguous = dict.fromkeys(job_ids, 0), dict.fromkeys(job_ids, 0)

    async def change(job_id: str, refused: bool) -> None:
        await asyncio.sleep(randomness.uniform(0, 0.05))
        try:
            async with env.store.change(job_id, LOCAL) as change:
                change.record(EventType.JOB_UPDATED)
                await asyncio.sleep(0)
                if refused:
                    raise REFUSED
        except asyncio.CancelledError:
            ambiguous[job_id] += 1
            raise
        acknowledged[job_id] += 1

    tasks = [asyncio.create_task(change(randomness.choice(job_ids), randomness.random() < 0.2)) for _ in range(150)]
    for task in randomness.sample(tasks, 30):
        await asyncio.sleep(randomness.uniform(0, 0.01))
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for job_id in job_ids:
        written = (await env.job_state(job_id)).job.version - 1
        assert acknowledged[job_id] <= written <= acknowledged[job_id] + ambiguous[job_id]
        assert [event.version for event in (await env.job_state(job_id)).log] == list(range(1, written + 2))
        assert sorted(reported[job_id]) == list(range(2, written + 2))


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1)])
async def test_commit_waits_for_the_disk_as_configured(tmp_path: Path, synchronous: str, level: int) -> None:
    """https://www.sqlite.org/pragma.html#pragma_synchronous."""
    database = Database(database_choice.url(tmp_path), synchronous=synchronous)
    async with database.transaction() as transaction:
        assert (await (await transaction.begun()).execute(sa.text("PRAGMA synchronous"))).scalar_one() == level
    await database.close()
