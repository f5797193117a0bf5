"""The SQLAlchemy engines, and what each database needs beyond SQLAlchemy's defaults."""

import os
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from models.db.pooler import Pooler, prepare_for_pooler
from models.db.sqlite_reader import connect_file
from models.db.sqlite_writer import connect_writer

# How long SQLite waits for a lock held by another process.
BUSY_TIMEOUT_MS = 10_000
# The readers of SQLite, and how many stay open. On Postgres as many connections are shared by readers and writers, and
# the rest of them is left to writers.
READERS, READERS_KEPT = 8, 5

# One for the write transactions, which take turns on it; one for migrations, which use an engine of SQLAlchemy.
WRITERS = 2

# Of the twelve Postgres connections of a process: the queue has two more, the listener one, maintenance one.
POOL_SIZE, POOL_OVERFLOW = 6, 2
# Of those eight, and of the eight readers of SQLite: how many the answers to long lists, and the messages of streams,
# occupy at most. They keep a connection while they are made; one Python thread makes no more of them at a time.
LISTS_AT_ONCE, MESSAGES_AT_ONCE = 2, 4
# Timeouts of one connect and of one statement; a user is waiting for the answer.
CONNECT_SECONDS = 1.4
COMMAND_SECONDS = 1.4
# The upper limit of a wait for a pooled connection.
LONGEST_WAIT_SECONDS = 60.0
SERVER_SETTINGS = {
    # Less than COMMAND_SECONDS, so that waiting for a lock is not taken for a server that does not respond.
    "lock_timeout": "1000",
    # A process suspended inside a transaction must not hold the lock of a job until it is resumed.
    "idle_in_transaction_session_timeout": "3000",
}


def sqlite_engine(url: sa.URL, *, pool_size: int, begin: str | None, synchronous: str = "full") -> AsyncEngine:
    """Return an engine on a file whose transactions start with the statement `begin`; with None, it begins none.

    `synchronous` is full or normal: whether a commit waits for the disk (https://www.sqlite.org/pragma.html).
    """
    connect = {"async_creator_fn": connect_file if begin is None else connect_writer}
    engine = _engine(url, pool_size=pool_size, max_overflow=0, connect_args=connect)
    _prepare_sqlite(engine, begin=begin, synchronous=synchronous)
    return engine


def application_name() -> str:
    """Return the name of our connections in pg_stat_activity. Not a constant: a fork is another process."""
    return f"scenewire {os.getpid()}"


def postgres_engine(url: sa.URL, pooler: Pooler) -> AsyncEngine:
    """Return an engine with a pool and with timeouts, for requests."""
    engine = _engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": COMMAND_SECONDS,
            "server_settings": {"application_name": application_name()},
        },
    )
    prepare_for_pooler(engine, pooler, SERVER_SETTINGS)
    _prepare_postgres(engine)
    return engine


def without_transactions(engine: AsyncEngine) -> AsyncEngine:
    """Return an engine on the same Postgres pool that begins no transactions."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def in_use(engine: AsyncEngine) -> int:
    """Return the number of connections that are out of the pool of an engine."""
    return cast("QueuePool", engine.pool).checkedout()


def postgres_maintenance_engine(url: sa.URL) -> AsyncEngine:
    """Return an engine without a pool and without a statement timeout, for migrations and housekeeping."""
    arguments = {"timeout": CONNECT_SECONDS, "server_settings": {"application_name": application_name()}}
    return create_async_engine(url, poolclass=NullPool, connect_args=arguments)


def _engine(url: sa.URL, **options: Any) -> AsyncEngine:
    # Parameters hold users' texts, which must not get into the log.
    # Decoding metadata dominates reading large scenes, and the standard library takes four times as long.
    return create_async_engine(
        url, hide_parameters=True, pool_timeout=LONGEST_WAIT_SECONDS, json_deserializer=orjson.loads, **options
    )


def _prepare_postgres(engine: AsyncEngine) -> None:
    """Make a server that does not respond cost one timeout, and a restarted server none."""

    def failed(context: ExceptionContext) -> None:
        if isinstance(context.original_exception, TimeoutError):
            # Otherwise SQLAlchemy would send a ROLLBACK and wait for another timeout.
            context.is_disconnect = True

    def invalidate(connection: DBAPIConnection, _record: ConnectionPoolEntry, error: BaseException | None) -> None:
        if error is not None:
            # Otherwise SQLAlchemy closes the connection gracefully, which takes two seconds.
            connection.driver_connection.terminate()

    def checkout(connection: DBAPIConnection, _record: ConnectionPoolEntry, _proxy: object) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError

    event.listen(engine.sync_engine, "handle_error", failed)
    event.listen(engine.sync_engine, "invalidate", invalidate)
    event.listen(engine.sync_engine, "checkout", checkout)


def _prepare_sqlite(engine: AsyncEngine, *, begin: str | None, synchronous: str) -> None:
    def connect(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # With None the sqlite3 module starts no transactions; the hook below does.
        connection.isolation_level = None  # pyright: ignore[reportAttributeAccessIssue] # aiosqlite's adapter has it
        # SQLite's own function lowers ASCII only, Postgres' every alphabet.
        connection.create_function("lower", 1, str.lower, deterministic=True)
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def start(connection: sa.Connection) -> None:
        # What the driver has begun, see `models.db.drivers`, may go on through SQLAlchemy.
        if begin is not None and not getattr(connection.connection.driver_connection, "in_transaction", False):
            connection.exec_driver_sql(begin)

    event.listen(engine.sync_engine, "connect", connect)
    event.listen(engine.sync_engine, "begin", start)
