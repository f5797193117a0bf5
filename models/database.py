"""Engines: one for reading and one for writing, so that SQLite's single writer never fails with "locked"."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from models.errors import Unavailable

# How long SQLite waits for a lock held by another process before it gives up.
BUSY_TIMEOUT_MS = 10_000
READERS = 4

# Of the twelve connections that a process may have on Postgres; the rest are the queue's and the listener's.
POOL, POOL_OVERFLOW = 6, 2
# A Postgres that takes longer to answer is treated as one that does not: a person is waiting for the answer.
CONNECT_SECONDS = 1.0
COMMAND_SECONDS = 1.5
POOL_SECONDS = 1.8

# SQLSTATEs, https://www.postgresql.org/docs/current/errcodes-appendix.html: no room, as opposed to not there.
_NO_ROOM = ("53100", "53200")
_SQLITE_NO_ROOM = ("is full", "disk I/O error", "readonly database", "unable to open")

Connection = AsyncConnection


class Database:
    """A pair of engines on one database.

    On SQLite the writer has one connection that begins with BEGIN IMMEDIATE: changes queue up in this process and
    never deadlock on an upgrade of a read lock. On Postgres both are the same engine.
    """

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self.embedded = self.url.get_backend_name() == "sqlite"
        if self.embedded:
            if self.url.database:
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            self.writer = create_async_engine(self.url, pool_size=1, max_overflow=0, pool_timeout=60)
            self.reader = create_async_engine(self.url, pool_size=READERS, max_overflow=0, pool_timeout=60)
            _prepare_sqlite(self.writer, begin="BEGIN IMMEDIATE")
            _prepare_sqlite(self.reader, begin="BEGIN")
        else:
            self.writer = self.reader = create_async_engine(
                self.url,
                pool_size=POOL,
                max_overflow=POOL_OVERFLOW,
                pool_timeout=POOL_SECONDS,
                connect_args={"timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS},
            )

    @property
    def connect_arguments(self) -> dict[str, Any]:
        """What `asyncpg.connect` takes to reach the same Postgres."""
        _, arguments = self.writer.dialect.create_connect_args(self.url)
        return {name: value for name, value in arguments.items() if not name.startswith("prepared_statement")}

    async def close(self) -> None:
        """Close every connection."""
        await self.writer.dispose()
        if self.reader is not self.writer:
            await self.reader.dispose()

    async def ping(self) -> None:
        """Raise Unavailable when the database does not answer."""
        with reaching():
            async with self.reader.connect() as connection:
                await connection.execute(sa.text("SELECT 1"))


@contextmanager
def reaching() -> Generator[None]:
    """Tell a database that is away or full from a statement that is wrong: the former becomes Unavailable."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        unavailable = _unavailable(error)
        if unavailable is None:
            raise
        raise unavailable from error
    except (OSError, PoolTimeoutError) as error:
        raise Unavailable("UNAVAILABLE", "The database does not answer.") from error


def _unavailable(error: DBAPIError) -> Unavailable | None:
    original, said = error.orig, str(error.orig)
    state = str(getattr(original, "sqlstate", "") or "")
    if state in _NO_ROOM or any(words in said for words in _SQLITE_NO_ROOM):
        return Unavailable("STORAGE", "The database cannot store anything just now.")
    # 08 connection, 40 rolled back, 53 resources, 55P03 lock, 57P shutdown: all of them pass.
    passing = state[:2] in ("08", "40", "53") or state[:3] == "57P" or state in ("55P03", "57014")
    if passing or error.connection_invalidated or "database is locked" in said or "connection" in said.lower():
        return Unavailable("UNAVAILABLE", "The database does not answer.")
    return None


def _prepare_sqlite(engine: AsyncEngine, *, begin: str) -> None:
    def connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # None: the sqlite3 module begins nothing by itself, so the hook below decides how a transaction starts.
        connection.isolation_level = None  # pyright: ignore[reportAttributeAccessIssue] # aiosqlite's adapter has it
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def start(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", connect)
    event.listen(engine.sync_engine, "begin", start)
