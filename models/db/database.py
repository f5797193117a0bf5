"""Connections to the database: taken in turn, given back reliably, and Unavailable when it does not respond."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from models.db.cancellation import shield_to_completion
from models.db.drivers import PostgresDriver, postgres_driver
from models.db.engines import (
    BUSY_TIMEOUT_MS,
    COMMAND_SECONDS,
    CONNECT_SECONDS,
    LISTS_AT_ONCE,
    LONGEST_WAIT_SECONDS,
    MESSAGES_AT_ONCE,
    READERS,
    READERS_KEPT,
    SERVER_SETTINGS,
    WRITERS,
    application_name,
    in_use,
    postgres_engine,
    postgres_maintenance_engine,
    sqlite_engine,
    without_transactions,
)
from models.db.moments import FileMoments, Moments, PostgresMoments
from models.db.pooler import Pooler, settings_of_transaction
from models.db.postgres_reader import PostgresReader
from models.db.readers import Reader, Readers
from models.db.recent import Recent
from models.db.shared_commits import SharedCommits
from models.db.shared_reads import SharedReads
from models.db.sqlite_reader import FileConnection, SqliteReader
from models.db.sqlite_writer import SqliteDriver
from models.db.statements import Kind, Row, Statement, Values
from models.db.transactions import OwnTransaction, Transaction
from models.db.transit import Transit
from models.db.unavailable import refused_by_server, says_nothing_about_connection, translate_errors

# How long to wait for a connection while no other request is answered.
WAIT_SECONDS = 1.6

log = logging.getLogger(__name__)

Connection = AsyncConnection


class Database:
    """The engines of one database.

    On SQLite, the writer has one connection that begins with BEGIN IMMEDIATE: changes queue up in this process, and
    never deadlock on the upgrade of a read lock; those that wait for each other share a commit. `synchronous`, full or
    normal, is whether a commit waits for the disk. On Postgres, writer and reader share one pool. Connections of the
    reader begin no transactions by themselves; `readers` holds those that stay open between two reads. `maintenance` is
    for migrations and housekeeping, which may take long: it has no statement timeout.

    `url` may be that of a connection pooler. `direct_url` is that of Postgres itself, for LISTEN, the queue and
    migrations, which need a session; it is not needed if the pooler keeps sessions.
    """

    def __init__(self, url: str, direct_url: str = "", *, synchronous: str = "full") -> None:
        self.url = sa.make_url(url)
        self.direct_url = sa.make_url(direct_url or url)
        self.kind: Kind = self.url.get_backend_name()
        self.embedded = self.kind == "sqlite"
        self._transit = Transit()
        # The last time any connection was used successfully, by the clock of the loop.
        self._answered_at = 0.0
        # Limit the answers that keep a connection for long, so that other answers always find one.
        self.list_turns = asyncio.Semaphore(LISTS_AT_ONCE)
        self.message_turns = asyncio.Semaphore(MESSAGES_AT_ONCE)
        if self.embedded:
            if self.url.database:
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            self.writer = sqlite_engine(self.url, pool_size=WRITERS, begin="BEGIN IMMEDIATE", synchronous=synchronous)
            self.reader = sqlite_engine(self.url, pool_size=READERS, begin=None)
            self._each_transaction = str
            self.maintenance = self.writer
            # A file does not stop responding: see `_wait_timeout`.
            self._shared_commits = SharedCommits(self._borrow_writer, LONGEST_WAIT_SECONDS, self.answered)
        else:
            pooler = Pooler(self._arguments(self.url, "start"))
            self.writer = postgres_engine(self.url, pooler)
            self.reader = without_transactions(self.writer)
            self.maintenance = postgres_maintenance_engine(self.direct_url)
            self._shared_commits = None
            self._each_transaction = partial(settings_of_transaction, pooler, SERVER_SETTINGS)
        self.moments: Moments = self._moments()
        self.readers = Readers(READERS, READERS_KEPT, self._open_reader, self._wait_timeout, self._transit)
        # A statement on a file is executed at once, without a round trip.
        self.shared_reads = None if self.embedded else SharedReads(self.fetch)
        self.counts = Recent()
        """How many rows filters leave, by which an index is chosen."""

    def connect_arguments(self, purpose: str) -> dict[str, Any]:
        """Return the arguments of `asyncpg.connect` for a session of its own; `purpose` is in pg_stat_activity."""
        return self._arguments(self.direct_url, purpose)

    def _arguments(self, url: sa.URL, purpose: str) -> dict[str, Any]:
        _, arguments = url.get_dialect()().create_connect_args(url)
        named = {name: value for name, value in arguments.items() if not name.startswith("prepared_statement")}
        settings = {"application_name": f"{application_name()} {purpose}"}
        return {"server_settings": settings, "timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS} | named

    @asynccontextmanager
    async def connect(self, engine: AsyncEngine) -> AsyncGenerator[Connection]:
        """A connection of the engine. Raises Unavailable when there is none in time."""
        with translate_errors():
            async with AsyncExitStack() as stack:
                yield await self.borrow(stack, engine)
            self.answered()

    def transaction(
        self, engine: AsyncEngine | None = None, turn: asyncio.Semaphore | None = None
    ) -> AbstractAsyncContextManager[Transaction]:
        """A write transaction, on Postgres after `turn` is acquired. `engine` may be that of maintenance.

        Raises Unavailable when the database does not respond in time.
        """
        if self._shared_commits is not None:
            return self._shared_commits.transaction()
        return self._own_transaction(turn) if engine is None else self._maintenance_transaction(engine)

    @asynccontextmanager
    async def _maintenance_transaction(self, engine: AsyncEngine) -> AsyncGenerator[Transaction]:
        """A transaction on Postgres, on a connection of an engine."""
        async with self.connect(without_transactions(engine)) as connection:
            yield OwnTransaction(await postgres_driver(connection))

    @asynccontextmanager
    async def _own_transaction(self, turn: asyncio.Semaphore | None) -> AsyncGenerator[Transaction]:
        """A transaction on Postgres, on the connection of a reader; rolled back unless it is committed."""
        with translate_errors():
            reader = await self.readers.take(turn)
            if not isinstance(reader, PostgresReader):
                raise TypeError("on SQLite, transactions share their commits")
            driver = PostgresDriver(reader.connection, reader.driver, reader.begin_to_write)
            broken = True
            try:
                yield OwnTransaction(driver)
                broken = False
            except Exception as error:
                broken = not (says_nothing_about_connection(error) or refused_by_server(error))
                raise
            finally:
                await self.readers.give_back(reader, turn, broken=broken, in_transaction=driver.in_transaction)
        self.answered()

    async def borrow(self, stack: AsyncExitStack, engine: AsyncEngine) -> Connection:
        """Return a connection of the engine; closing the stack gives it back.

        Raises Unavailable when there is none in time.
        """
        with translate_errors():
            async with self._wait_timeout():
                if engine.pool is self.reader.pool:
                    await stack.enter_async_context(self.readers.places)
                connection = await self._transit.arrived(self._connect(engine), _close)
            stack.push_async_callback(_give_back, connection)
            return connection

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Connection]:
        """A connection in a transaction that shows the moment of its first SELECT. Raises Unavailable as `connect`."""
        with translate_errors():
            async with self.readers.reader() as reader:
                await reader.begin()
                await reader.show_moment()
                yield reader.connection
            self.answered()

    async def fetch(self, statement: Statement, values: Values) -> list[Row]:
        """Return the driver's rows of one SELECT, outside a transaction. Raises Unavailable as `connect`."""
        reader, broken = await self.readers.take(), True
        try:
            rows = await reader.fetch_alone(statement.text, statement.arguments(values))
            broken = False
        except Exception as error:
            broken = not says_nothing_about_connection(error)
            with translate_errors():
                raise
        finally:
            await self.readers.give_back(reader, broken=broken, in_transaction=False)
        self.answered()
        return rows

    def answered(self) -> None:
        """Note that the database responds: others may go on waiting for a connection."""
        self._answered_at = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Close every connection."""
        if self._shared_commits is not None:
            await self._shared_commits.close()
        self.moments.close()
        await self.readers.close()
        await self._transit.arrivals()
        for engine in {self.writer, self.reader, self.maintenance}:
            await engine.dispose()

    async def ping(self) -> None:
        """Raise Unavailable when the database does not respond."""
        async with self.read() as connection:
            await connection.execute(sa.text("SELECT 1"))

    def _moments(self) -> Moments:
        if not self.embedded:
            return PostgresMoments(self.fetch)
        arguments, options = self.reader.dialect.create_connect_args(self.url)
        return FileMoments(arguments, options)

    async def _connect(self, engine: AsyncEngine) -> Connection:
        """Take a connection from the pool, for the place of which an idle reader may have to be closed."""
        if engine.pool is self.reader.pool and in_use(engine) >= READERS:
            await self.readers.close_one()
        return await engine.connect()

    async def _borrow_writer(self, stack: AsyncExitStack) -> SqliteDriver:
        """Return the driver of write transactions on a file, on a connection that closing the stack gives back."""
        connection = await self.borrow(stack, self.writer)
        driver: Any = (await connection.get_raw_connection()).driver_connection
        return SqliteDriver(connection, driver, BUSY_TIMEOUT_MS)

    async def _open_reader(self) -> Reader:
        """Open a reader on a connection of the pool."""
        connection = await self._connect(self.reader)
        try:
            driver = (await connection.get_raw_connection()).driver_connection
            if isinstance(driver, FileConnection):
                return SqliteReader(connection, driver, BUSY_TIMEOUT_MS)
            return PostgresReader(connection, driver, self._each_transaction())
        except BaseException:
            await connection.close()
            raise

    @asynccontextmanager
    async def _wait_timeout(self) -> AsyncGenerator[None]:
        """Limit the wait for a connection; the limit starts again whenever the database answers another request."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        # A file does not stop responding: a lock on it is held by another process, see BUSY_TIMEOUT_MS.
        longest_silence = LONGEST_WAIT_SECONDS if self.embedded else WAIT_SECONDS

        def check() -> None:
            nonlocal checking
            until = max(began, self._answered_at) + longest_silence
            if until > loop.time():
                checking = loop.call_at(until, check)
            else:
                wait.reschedule(0)

        async with asyncio.timeout(LONGEST_WAIT_SECONDS) as wait:
            checking = loop.call_at(began + longest_silence, check)
            try:
                yield
            finally:
                checking.cancel()


async def _give_back(connection: Connection) -> None:
    await shield_to_completion(connection.close())


async def _close(connection: Connection) -> None:
    await connection.close()
