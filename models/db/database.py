"""Engines: one for reading and one for writing, so that SQLite's single writer never fails with "locked"."""

import asyncio
import os
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
import orjson
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from models.domain.errors import Unavailable

# How long SQLite waits for a lock held by another process before it gives up.
BUSY_TIMEOUT_MS = 10_000
READERS = 4

# Under which our connections are listed in pg_stat_activity.
NAME = f"scenewire {os.getpid()}"
# Of the twelve connections that a process may have on Postgres: two more are the queue's, one listens, one tidies.
POOL, POOL_OVERFLOW = 6, 2
# A Postgres that takes longer to answer is treated as one that does not: a person is waiting for the answer.
CONNECT_SECONDS = 1.4
COMMAND_SECONDS = 1.4
# How long to wait for one's turn and a connection: while nobody is answered, and at most.
WAIT_SECONDS = 1.6
LONGEST_WAIT_SECONDS = 60.0
SERVER_SETTINGS = {
    # Less than a command may take: who only waits for its turn shall not think that the server is away.
    "lock_timeout": "1000",
    # A process that was frozen within a transaction must not keep a job's row for as long as that lasts.
    "idle_in_transaction_session_timeout": "3000",
}

# SQLSTATEs, https://www.postgresql.org/docs/current/errcodes-appendix.html: no room, as opposed to not there.
_NO_ROOM = ("53100", "53200")
_SQLITE_NO_ROOM = ("is full", "disk I/O error", "readonly database", "unable to open")

Connection = AsyncConnection


class Database:
    """A pair of engines on one database.

    On SQLite the writer has one connection that begins with BEGIN IMMEDIATE: changes queue up in this process and
    never deadlock on an upgrade of a read lock. On Postgres both are the same engine. `patient` is for what nobody
    waits for, such as migrations: there a statement may take as long as it likes.
    """

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self.embedded = self.url.get_backend_name() == "sqlite"
        # What is under way to and from the pools without anybody who waits for it.
        self._taking: set[asyncio.Future[Any]] = set()
        # When anybody was answered last, by the clock of the loop.
        self._answered_at = 0.0
        if self.embedded:
            if self.url.database:
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            self.writer = _engine(self.url, pool_size=1, max_overflow=0)
            self.reader = _engine(self.url, pool_size=READERS, max_overflow=0)
            self.maintenance = self.writer
            _prepare_sqlite(self.writer, begin="BEGIN IMMEDIATE")
            _prepare_sqlite(self.reader, begin="BEGIN")
        else:
            name = {"application_name": NAME}
            self.writer = self.reader = _engine(
                self.url,
                pool_size=POOL,
                max_overflow=POOL_OVERFLOW,
                connect_args={
                    "timeout": CONNECT_SECONDS,
                    "command_timeout": COMMAND_SECONDS,
                    "server_settings": name | SERVER_SETTINGS,
                },
            )
            patience = {"timeout": CONNECT_SECONDS, "server_settings": name}
            self.maintenance = create_async_engine(self.url, poolclass=NullPool, connect_args=patience)
            _prepare_postgres(self.writer)

    def connect_arguments(self, purpose: str) -> dict[str, Any]:
        """What `asyncpg.connect` takes to reach the same Postgres; the purpose is what its administrator sees."""
        _, arguments = self.writer.dialect.create_connect_args(self.url)
        named = {name: value for name, value in arguments.items() if not name.startswith("prepared_statement")}
        settings = {"application_name": f"{NAME} {purpose}"}
        return {"server_settings": settings, "timeout": CONNECT_SECONDS, "command_timeout": COMMAND_SECONDS} | named

    @asynccontextmanager
    async def connect(self, engine: AsyncEngine, job_lock: asyncio.Lock | None = None) -> AsyncGenerator[Connection]:
        """A connection of one of the engines, when it is our turn. Raises Unavailable when the database is away."""
        with translate_errors():
            async with AsyncExitStack() as stack:
                async with self._waiting():
                    if job_lock is not None:
                        await stack.enter_async_context(job_lock)
                    connection = await self._take(engine)
                stack.push_async_callback(_give_back, connection)
                yield connection
            self._answered_at = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Close every connection."""
        while self._taking:
            await asyncio.wait(self._taking)
        for engine in {self.writer, self.reader, self.maintenance}:
            await engine.dispose()

    async def ping(self) -> None:
        """Raise Unavailable when the database does not answer."""
        async with self.connect(self.reader) as connection:
            await connection.execute(sa.text("SELECT 1"))

    async def _take(self, engine: AsyncEngine) -> Connection:
        """A connection out of the pool. One that nobody waits for any longer when it comes goes back by itself."""
        taking: asyncio.Task[Connection] = asyncio.ensure_future(_taken(engine))
        self._taking.add(taking)
        taking.add_done_callback(self._taking.discard)
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(self._return)
            raise

    def _return(self, taken: "asyncio.Task[Connection]") -> None:
        if not taken.cancelled() and taken.exception() is None:
            returning = asyncio.ensure_future(taken.result().close())
            self._taking.add(returning)
            returning.add_done_callback(self._taking.discard)

    @asynccontextmanager
    async def _waiting(self) -> AsyncGenerator[None]:
        """Wait while others are answered: that there is a queue says nothing against the database; silence does."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        # A file does not fall silent: what holds it is another process, see BUSY_TIMEOUT_MS.
        patience = LONGEST_WAIT_SECONDS if self.embedded else WAIT_SECONDS

        def look() -> None:
            nonlocal looking
            until = max(began, self._answered_at) + patience
            if until > loop.time():
                looking = loop.call_at(until, look)
            else:
                wait.reschedule(0)

        async with asyncio.timeout(LONGEST_WAIT_SECONDS) as wait:
            looking = loop.call_at(began + patience, look)
            try:
                yield
            finally:
                looking.cancel()


async def _taken(engine: AsyncEngine) -> Connection:
    return await engine.connect()


async def _give_back(connection: Connection) -> None:
    await shield_to_completion(connection.close())


async def shield_to_completion(work: Coroutine[None, None, None]) -> None:
    """Await `work` even when the caller is cancelled meanwhile: nobody may interrupt between a commit and its hint, or
    while a connection goes back to its pool."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        # A scope that is being left cancels again and again.
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        raise


@contextmanager
def translate_errors() -> Generator[None]:
    """Tell a database that is away or full from a statement that is wrong: the former becomes Unavailable."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        unavailable = _unavailable(error.orig, away=error.connection_invalidated)
        if unavailable is None:
            raise
        raise unavailable from error
    # What works on the driver's own connection, as the queue does, raises the driver's own errors.
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        unavailable = _unavailable(error, away=not isinstance(error, asyncpg.PostgresError))
        if unavailable is None:
            raise
        raise unavailable from error
    except (OSError, PoolTimeoutError) as error:
        raise Unavailable("UNAVAILABLE", "The database does not answer.") from error


def _unavailable(error: BaseException | None, *, away: bool) -> Unavailable | None:
    said = str(error)
    state = str(getattr(error, "sqlstate", "") or "")
    if state in _NO_ROOM or any(words in said for words in _SQLITE_NO_ROOM):
        return Unavailable("STORAGE", "The database cannot store anything just now.")
    # 08 connection, 25P03 idle for too long, 40 rolled back, 53 resources, 55P03 lock, 57P shutdown: all of them pass.
    passing = state[:2] in ("08", "40", "53") or state[:3] == "57P" or state in ("25P03", "55P03", "57014")
    if passing or away or "database is locked" in said or "connection" in said.lower():
        return Unavailable("UNAVAILABLE", "The database does not answer.")
    return None


def _engine(url: sa.URL, **options: Any) -> AsyncEngine:
    # What people wrote stays out of the log.
    # Decoding metadata is most of reading a scene that has much of it: the standard library takes four times as long.
    return create_async_engine(
        url, hide_parameters=True, pool_timeout=LONGEST_WAIT_SECONDS, json_deserializer=orjson.loads, **options
    )


def _prepare_postgres(engine: AsyncEngine) -> None:
    """Make a server that hangs cost one patience, and one that was away none at all."""

    def failed(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, TimeoutError):
            # Without this a ROLLBACK would be sent after it, and waited for as long again.
            context.is_disconnect = True

    def invalidate(connection: DBAPIConnection, _record: ConnectionPoolEntry, why: BaseException | None) -> None:
        if why is not None:
            # SQLAlchemy says goodbye and waits two seconds for the answer.
            connection.driver_connection.terminate()

    def checkout(connection: DBAPIConnection, _record: ConnectionPoolEntry, _proxy: object) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError

    event.listen(engine.sync_engine, "handle_error", failed)
    event.listen(engine.sync_engine, "invalidate", invalidate)
    event.listen(engine.sync_engine, "checkout", checkout)


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
