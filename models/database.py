"""Engines: one for reading and one for writing, so that SQLite's single writer never fails with "locked"."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

# How long SQLite waits for a lock held by another process before it gives up.
BUSY_TIMEOUT_MS = 10_000
READERS = 4


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
            self.writer = self.reader = create_async_engine(self.url, pool_size=8, max_overflow=2, pool_pre_ping=True)

    async def close(self) -> None:
        """Close every connection."""
        await self.writer.dispose()
        if self.reader is not self.writer:
            await self.reader.dispose()

    async def ping(self) -> None:
        """Raise what the driver raises when the database does not answer."""
        async with self.reader.connect() as connection:
            await connection.execute(sa.text("SELECT 1"))


Connection = AsyncConnection


def _prepare_sqlite(engine: AsyncEngine, *, begin: str) -> None:
    def connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # None: the sqlite3 module begins nothing by itself, so the hook below decides how a transaction starts.
        connection.isolation_level = None  # pyright: ignore[reportAttributeAccessIssue] # aiosqlite's adapter has it
        # SQLite's own knows A to Z only; Postgres lowers every alphabet.
        connection.create_function("lower", 1, str.lower, deterministic=True)
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
