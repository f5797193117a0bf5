"""Reads on the driver's connection: one moment with those through SQLAlchemy, bounded waits, nothing left behind."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import AsyncMock, patch

import pytest
import sqlalchemy as sa

from models.db import readers
from models.db.database import Database
from models.db.engines import READERS, in_use
from models.db.snapshot import Snapshot
from models.db.statements import Statement
from models.db.tables import JOB
from models.domain.access import LOCAL
from tests.support.database_choice import database_choice
from tests.support.domain import Domain, domain
from tests.support.version_reads import WAYS, ordinary, raw, versions
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

# Counts for seconds, unless it is interrupted.
COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT count(*) FROM n"
ENDLESS = {
    "sqlite": COUNT.format(100_000_000),
    "postgresql": "SELECT pg_sleep(60)",
}


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


def statement_of(database: Database, text: str) -> Statement:
    """Return a statement with this text, without parameters."""
    statement = Statement(database.kind, sa.select(sa.literal_column("1")))
    statement.text = text
    return statement


@pytest.mark.parametrize("first", WAYS)
async def test_reads_of_an_answer_show_one_moment_by_whichever_way(env: Domain, first: str) -> None:
    """A writer commits between them. The next answer shows the commit."""
    database, job_id = env.store.database, await env.a_job()
    snapshot = Snapshot(database)
    async with snapshot.answering():
        before = await WAYS[first](snapshot, database, job_id)
        for read in WAYS.values():
            await env.jobs.update(LOCAL, job_id, {"title": f"After {read.__name__}"})
            assert await read(snapshot, database, job_id) == before
    async with snapshot.answering():
        assert await raw(snapshot, database, job_id) == before + len(WAYS)
    assert database.readers.in_use == 0


async def test_read_alone_shows_the_newest_commit(env: Domain) -> None:
    """Outside an answer each read has a moment of its own, and leaves no transaction open."""
    database, job_id = env.store.database, await env.a_job()
    snapshot = Snapshot(database)
    for number in range(3):
        assert await raw(snapshot, database, job_id) == await ordinary(snapshot, database, job_id) == number + 1
        await env.jobs.update(LOCAL, job_id, {"title": f"Title {number}"})


@pytest.mark.parametrize("microseconds", [0, 1, 10, 120_000, 999_999, 86_399_999_999])
async def test_instants_are_read_as_the_same_text_from_both_databases(env: Domain, microseconds: int) -> None:
    """In UTC, with six digits, whatever the time zone of the session; converted it is the instant."""
    database, job_id = env.store.database, await env.a_job()
    instant = datetime(2026, 3, 29, tzinfo=UTC) + timedelta(microseconds=microseconds)
    async with env.store.write() as connection:
        await connection.execute(sa.update(JOB).where(JOB.c.id == job_id).values(created_at=instant))
    select = sa.select(JOB.c.created_at, JOB.c.deleted_at, JOB.c.version).where(JOB.c.id == job_id)
    statement = Statement(database.kind, select)
    async with database.readers.reader() as reader:
        await reader.begin()
        if database_choice.distributed:
            await reader.fetch("SELECT set_config('TimeZone', 'Asia/Tokyo', true)", ())
        rows = await reader.fetch(statement.text, statement.arguments({}))
    assert [tuple(row) for row in rows] == [(f"{instant:%Y-%m-%d %H:%M:%S.%f}", None, 1)]
    assert statement.converted(rows) == [(instant, None, 1)]


async def test_cancelled_read_gives_no_open_transaction_back(env: Domain) -> None:
    """Cancelled while the database computes: more often than there are connections, then all of them work."""
    database, job_id = env.store.database, await env.a_job()
    endless = statement_of(database, ENDLESS[database.kind])

    async def operation() -> None:
        snapshot = Snapshot(database)
        async with snapshot.answering():
            await raw(snapshot, database, job_id)
            await snapshot.fetch(endless, {})

    for _ in range(READERS + 1):
        task = asyncio.create_task(operation())
        await eventually(lambda: database.readers.in_use == 1)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert database.readers.in_use == 0
    await env.jobs.update(LOCAL, job_id, {"title": "Meanwhile"})
    snapshots = [Snapshot(database) for _ in range(READERS)]
    async with asyncio.timeout(TIMEOUT_SECONDS):
        for snapshot in snapshots:
            snapshot.answering_now = True
            assert await raw(snapshot, database, job_id) == 2
        for snapshot in snapshots:
            await snapshot.close()


async def test_only_read_of_an_answer_shows_the_newest_commit_and_keeps_nothing(env: Domain) -> None:
    """It takes one of the turns while it reads; a read that follows all the same begins a transaction."""
    database, job_id = env.store.database, await env.a_job()
    snapshot, turns = Snapshot(database), asyncio.Semaphore(1)
    for number in range(2 * READERS):
        async with snapshot.answering(turns):
            ((version,),) = await snapshot.fetch_alone(*versions(database, job_id))
            assert (version, database.readers.in_use, turns.locked()) == (number + 1, 0, False)
            await env.jobs.update(LOCAL, job_id, {"title": f"Title {number}"})
            assert await raw(snapshot, database, job_id) == number + 2
            ((version,),) = await snapshot.fetch_alone(*versions(database, job_id))
            assert (version, database.readers.in_use, turns.locked()) == (number + 2, 1, True)
    assert (database.readers.in_use, turns.locked()) == (0, False)


async def test_failed_only_read_fails_the_answer_and_closes_its_connection(env: Domain) -> None:
    """The next answer reads on another connection."""
    database, job_id = env.store.database, await env.a_job()
    snapshot = Snapshot(database)
    with patch.object(readers, "discard", AsyncMock(wraps=readers.discard)) as discard:
        async with snapshot.answering():
            with pytest.raises(Exception, match="nothing"):
                await snapshot.fetch_alone(statement_of(database, "SELECT nothing"), {})
            with pytest.raises(Exception, match="nothing"):
                await raw(snapshot, database, job_id)
    assert (discard.await_count, database.readers.in_use) == (1, 0)
    async with snapshot.answering():
        assert await raw(snapshot, database, job_id) == 1


async def test_cancelled_only_read_gives_its_connection_back_closed(env: Domain) -> None:
    """Cancelled while the database computes, more often than there are connections."""
    database, job_id = env.store.database, await env.a_job()

    async def operation() -> None:
        snapshot = Snapshot(database)
        async with snapshot.answering():
            await snapshot.fetch_alone(statement_of(database, ENDLESS[database.kind]), {})

    for _ in range(READERS + 1):
        task = asyncio.create_task(operation())
        await eventually(lambda: database.readers.in_use == 1)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        assert (task.cancelled(), database.readers.in_use) == (True, 0)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        assert await raw(Snapshot(database), database, job_id) == 1


async def test_failed_read_is_not_repeated_on_its_connection(env: Domain) -> None:
    """The connection of a failed statement is closed; the next answer reads on another one."""
    database, job_id = env.store.database, await env.a_job()
    snapshot = Snapshot(database)
    wrong = statement_of(database, "SELECT nothing")
    async with snapshot.answering():
        await raw(snapshot, database, job_id)
        with pytest.raises(Exception, match="nothing"):
            await snapshot.fetch(wrong, {})
        assert database.readers.in_use == 0
        with pytest.raises(Exception, match="nothing"):
            await raw(snapshot, database, job_id)
    async with snapshot.answering():
        assert await raw(snapshot, database, job_id) == 1


async def test_writers_get_the_connections_of_idle_readers(env: Domain) -> None:
    """The number of open connections stays the same."""
    database = env.store.database
    job_ids = [await env.a_job() for _ in range(READERS)]

    async def read_and_write(job_id: str) -> None:
        for number in range(5):
            snapshot = Snapshot(database)
            async with snapshot.answering():
                await raw(snapshot, database, job_id)
            await env.jobs.update(LOCAL, job_id, {"title": f"Title {number}"})

    async with asyncio.timeout(TIMEOUT_SECONDS):
        await asyncio.gather(*map(read_and_write, job_ids))
    assert in_use(database.reader) <= READERS
    assert database.readers.in_use == 0
