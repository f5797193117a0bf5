"""What is particular to reads on the connection of each driver: a locked file, long statements, lost answers."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest
import sqlalchemy as sa

from models.db import engines, sqlite_reader, sqlite_writer
from models.db.database import Database
from models.db.snapshot import Snapshot
from models.db.sqlite_reader import FileConnection
from models.domain.errors import Unavailable
from tests.support.database_choice import database_choice
from tests.support.domain import Domain, domain
from tests.support.version_reads import ordinary, raw
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]


# Counts for seconds, unless it is interrupted.
COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT count(*) FROM n"


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


class TestSqlite:
    """What is particular to a file."""

    @pytest.fixture(autouse=True)
    def only_sqlite(self) -> None:
        if database_choice.distributed:
            pytest.skip("about a file")

    @pytest.mark.parametrize("released", [True, False])
    async def test_locked_file_is_awaited_on_the_thread(self, tmp_path: Path, *, released: bool) -> None:
        """The loop runs meanwhile. The statement gets its rows when the lock is released, or fails in time."""
        path = str(tmp_path / "other.db")
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("CREATE TABLE number AS SELECT 1 AS value")
            driver = await sqlite_reader.connect_file(path, isolation_level=None)
            reader = sqlite_reader.SqliteReader(cast("Any", None), cast("Any", driver), 60_000 if released else 100)
            try:
                holder.execute("BEGIN EXCLUSIVE")
                holder.execute("UPDATE number SET value = 2")
                await reader.begin()
                reading = asyncio.create_task(reader.fetch("SELECT value FROM number", ()))
                await asyncio.sleep(0.05)
                if released:
                    assert not reading.done()
                    holder.execute("COMMIT")
                    assert await reading == [(2,)]
                else:
                    with pytest.raises(sqlite3.OperationalError, match="locked"):
                        await reading
            finally:
                await driver.close()

    @pytest.mark.parametrize("connect", [sqlite_reader.connect_file, sqlite_writer.connect_writer])
    async def test_close_ends_although_the_connection_is_stopped_meanwhile(
        self, tmp_path: Path, connect: Callable[..., FileConnection]
    ) -> None:
        """SQLAlchemy stops a connection whose close was cancelled, and the close goes on without its caller."""
        connection = connect(str(tmp_path / "other.db"))
        await connection
        closing_it = asyncio.create_task(connection.close())
        await asyncio.sleep(0)
        connection.stop()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await closing_it

    async def test_long_statement_does_not_block_the_loop(self, env: Domain) -> None:
        """It is interrupted after some milliseconds and computed on the thread."""
        database = env.store.database
        text = COUNT.format(3_000_000)
        async with database.readers.reader() as reader:
            await reader.begin()
            reading = asyncio.create_task(reader.fetch(text, ()))
            turns = 0
            while not reading.done():
                await asyncio.sleep(0)
                turns += 1
            assert await reading == [(3_000_000,)]
        assert turns > 100

    async def test_many_rows_are_fetched_in_parts(self, env: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
        """Their sum is complete and in order."""
        monkeypatch.setattr(sqlite_reader, "ROWS_AT_ONCE", 7)
        database = env.store.database
        text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n"
        async with database.readers.reader() as reader:
            await reader.begin()
            for number in (0, 6, 7, 8, 14, 100):
                expected = [(each,) for each in range(1, max(number, 1) + 1)]
                assert await reader.fetch(text, (number,)) == expected

    async def test_other_tasks_run_behind_some_parts(self, env: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not behind each part: a list that is read in one turn ends before the next one begins."""
        monkeypatch.setattr(sqlite_reader, "ROWS_AT_ONCE", 7)
        monkeypatch.setattr(sqlite_reader, "ROWS_OF_TURN", 21)
        text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n"
        async with env.store.database.readers.reader() as reader:
            await reader.begin()
            for number, turns in ((6, 0), (20, 0), (21, 1), (100, 4)):
                assert await turns_during(reader.fetch(text, (number,))) == turns


async def turns_during(reading: Coroutine[Any, Any, object]) -> int:
    """Return how often a read lets other tasks run."""
    steps = 0
    try:
        while True:
            reading.send(None)
            steps += 1
    except StopIteration:
        return steps


class TestPostgres:
    """What is particular to a server."""

    @pytest.fixture(autouse=True)
    def only_postgres(self) -> None:
        if not database_choice.distributed:
            pytest.skip("about a server")

    async def test_statement_that_is_not_answered_makes_the_database_unavailable(self, env: Domain) -> None:
        """After the timeout of a statement; its connection is closed, and others are used at once."""
        job_id = await env.a_job()
        async with impatient(env.store.database) as database:
            snapshot = Snapshot(database)
            async with snapshot.answering():
                await stop_answers(snapshot)
                with pytest.raises(Unavailable):
                    await raw(snapshot, database, job_id)
                assert database.readers.in_use == 0
                with pytest.raises(Unavailable):
                    await ordinary(snapshot, database, job_id)
            async with snapshot.answering():
                assert await raw(snapshot, database, job_id) == 1

    async def test_answer_ends_when_its_end_is_not_answered(self, env: Domain) -> None:
        """The connection is closed after the timeout of a statement."""
        job_id = await env.a_job()
        async with impatient(env.store.database) as database:
            snapshot = Snapshot(database)
            async with snapshot.answering():
                assert await raw(snapshot, database, job_id) == 1
                await stop_answers(snapshot)
            assert database.readers.in_use == 0
            assert await raw(snapshot, database, job_id) == 1

    async def test_connection_that_postgres_ended_is_not_used(self, env: Domain) -> None:
        """A restart of the server costs no answer."""
        database, job_id = env.store.database, await env.a_job()
        assert await raw(Snapshot(database), database, job_id) == 1
        async with database.connect(database.writer) as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            await connection.execute(sa.text(f"{others} AND pid <> pg_backend_pid()"))
        await asyncio.sleep(0.1)
        assert await raw(Snapshot(database), database, job_id) == 1


@asynccontextmanager
async def impatient(other: Database) -> AsyncGenerator[Database]:
    """The same database with a timeout of statements that a test can wait for, and bounded waits of the test."""
    with patch.object(engines, "COMMAND_SECONDS", 3.0):
        database = Database(other.url.render_as_string(hide_password=False))
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS / 2):
                yield database
        finally:
            await database.close()


async def stop_answers(snapshot: Snapshot) -> None:
    """Let nothing that the server sends on the connection of a snapshot arrive any more."""
    async with snapshot.read() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver._transport.pause_reading()
