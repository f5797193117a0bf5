"""The writer of an SQLite file: short statements run on the loop, and nothing that waits does."""

import asyncio
import gc
import random
import sqlite3
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from models.db import sqlite_reader, sqlite_writer
from models.db.cancellation import shield_to_completion
from models.db.database import Database
from models.db.prepared import Call, Prepared, inserts
from models.db.sqlite_reader import FileConnection
from models.db.sqlite_writer import BEGIN, SqliteDriver, WriterConnection
from models.domain.access import LOCAL
from tests.support.database_choice import database_choice
from tests.support.domain import Domain, domain
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = pytest.mark.usefixtures("database")

NUMBER = sa.Table("number", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))
CANCELLED = 40
COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT count(*) FROM n"


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncGenerator[WriterConnection]:
    opened = sqlite_writer.connect_writer(str(tmp_path / "file.db"), isolation_level=None)
    await opened
    opened.file.execute("PRAGMA journal_mode=WAL")
    opened.file.execute("CREATE TABLE number (id INTEGER PRIMARY KEY)")
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the loop's thread executed the statements, for each list of them."""
    found: list[bool] = []
    execute_all = sqlite_writer.execute_all

    def observed(file: sqlite3.Connection, *statements: Any) -> Any:
        on_loop = threading.current_thread() is threading.main_thread()
        assert not on_loop or file.execute("PRAGMA busy_timeout").fetchall() == [(0,)]
        found.append(on_loop)
        return execute_all(file, *statements)

    monkeypatch.setattr(sqlite_writer, "execute_all", observed)
    return found


def driver_on(connection: WriterConnection, busy_timeout_ms: int = 60_000) -> SqliteDriver:
    return SqliteDriver(cast("Any", None), connection, busy_timeout_ms)


def rows(count: int) -> list[Call]:
    return inserts(NUMBER, [{"id": number} for number in range(count)])


async def test_only_commits_and_many_rows_leave_the_loop(connection: WriterConnection, threads: list[bool]) -> None:
    """A commit waits for the disk; the rows of a large batch take long."""
    driver = driver_on(connection)
    await driver.run(rows(sqlite_writer.ROWS_ON_LOOP), before=[BEGIN])
    await driver.run((), before=["DELETE FROM number"])
    await driver.run(rows(sqlite_writer.ROWS_ON_LOOP + 1))
    await driver.committing()
    assert threads == [True, True, False, False]
    ((count,),) = connection.file.execute("SELECT count(*) FROM number").fetchall()
    assert count == sqlite_writer.ROWS_ON_LOOP + 1


@pytest.mark.parametrize("released", [True, False])
async def test_locked_file_is_awaited_on_the_thread(
    connection: WriterConnection, tmp_path: Path, threads: list[bool], *, released: bool
) -> None:
    """The loop runs meanwhile. The transaction begins when the lock is released, or fails in time."""
    driver = driver_on(connection, 60_000 if released else 100)
    with closing(sqlite3.connect(tmp_path / "file.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        beginning = asyncio.create_task(driver.run(rows(1), before=[BEGIN]))
        await eventually(lambda: threads == [True, False])
        if released:
            assert not beginning.done()
            holder.execute("COMMIT")
            await beginning
            assert connection.in_transaction
        else:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                await beginning
            assert not connection.in_transaction


async def test_file_is_left_to_the_thread_that_still_uses_it(connection: WriterConnection, threads: list[bool]) -> None:
    """After a caller was cancelled, the next statements follow those that still run."""
    driver = driver_on(connection)
    await driver.begin()
    count = Prepared(sa.select(sa.literal_column("1")))
    count.on("sqlite").text = COUNT
    counting = asyncio.create_task(driver.run([*rows(200), Call(count)]))
    await eventually(lambda: threads == [True, False])
    counting.cancel()
    await asyncio.wait([counting])
    assert not connection.is_idle
    following = asyncio.create_task(driver.run((), before=["ROLLBACK"]))
    await asyncio.sleep(0.05)
    assert not following.done()
    connection.file.interrupt()
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await following
    assert threads == [True, False, False]
    assert connection.is_idle


async def test_commit_on_a_closed_connection_fails(connection: WriterConnection) -> None:
    """The error reaches those that wait for the commit."""
    driver = driver_on(connection)
    await connection.close()
    ending = driver.committing()
    with pytest.raises(ValueError, match="closed"):
        await ending


async def test_changes_wait_for_another_process(tmp_path: Path) -> None:
    """As when an operator's command writes: the loop runs, and the change is made after it."""
    async with domain(tmp_path) as env:
        await check_change_behind_a_holder(env)


async def check_change_behind_a_holder(env: Domain) -> None:
    database, job_id = env.store.database, await env.a_job()
    assert database.url.database is not None
    with closing(sqlite3.connect(database.url.database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        changing = asyncio.create_task(env.jobs.update(LOCAL, job_id, {"title": "After the other"}))
        await asyncio.sleep(0.2)
        assert not changing.done()
        holder.execute("COMMIT")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await changing
    assert (await env.job_state(job_id)).job.title == "After the other"


@pytest.fixture(autouse=True)
def only_sqlite() -> None:
    if database_choice.distributed:
        pytest.skip("about a file")


@pytest.mark.parametrize("connect", [sqlite_reader.connect_file, sqlite_writer.connect_writer])
async def test_closed_connection_leaves_no_lock(tmp_path: Path, connect: Callable[..., FileConnection]) -> None:
    """Although a statement has rows left: a cancelled task leaves such a statement to the garbage collector."""
    path = str(tmp_path / "file.db")
    closed = connect(path, isolation_level=None)
    await closed
    closed.file.execute("PRAGMA journal_mode=WAL")
    closed.file.execute(BEGIN)
    closed.file.execute("CREATE TABLE number (id INTEGER PRIMARY KEY)")
    left = closed.file.execute(COUNT.replace("count(*)", "i"))
    assert left.fetchone() == (1,)
    await closed.close()
    assert_writable(path)
    del left


async def test_cancelled_transactions_leave_no_lock(tmp_path: Path) -> None:
    """Whenever they are cancelled, and before the garbage collector runs."""
    seed = random.randrange(2**32)  # no secret
    print(f"seed {seed}")  # noqa: T201 # pytest shows it for a failed test
    rng = random.Random(seed)  # no secret
    path = tmp_path / "file.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("CREATE TABLE number (id INTEGER)")
        file.executemany("INSERT INTO number VALUES (?)", [(number,) for number in range(1_000)])
        file.commit()
    database = Database(f"sqlite+aiosqlite:///{path}")
    gc.disable()
    try:
        for _ in range(CANCELLED):
            task = asyncio.create_task(insert(database))
            for _ in range(rng.randrange(60)):
                await asyncio.sleep(0)
            await asyncio.sleep(rng.random() * 0.002)
            task.cancel()
            await asyncio.wait([task])
            del task
            await eventually(lambda: is_writable(path))
    finally:
        gc.enable()
        await database.close()


async def insert(database: Database) -> None:
    """Insert a row, read all, and insert another, in a transaction."""
    async with database.transaction() as transaction:
        connection = await transaction.begun()
        await connection.execute(sa.insert(NUMBER).values(id=1))
        (await connection.execute(sa.select(NUMBER))).all()
        await connection.execute(sa.insert(NUMBER).values(id=2))
        await shield_to_completion(transaction.commit())


def assert_writable(path: str) -> None:
    """Another connection begins to write at once."""
    with closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as other:
        other.execute(BEGIN)


def is_writable(path: Path) -> bool:
    """Return whether another connection can write now."""
    try:
        assert_writable(str(path))
    except sqlite3.OperationalError:
        return False
    return True
