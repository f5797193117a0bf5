"""Records what the connections of a database execute."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from models.db.database import Database


@asynccontextmanager
async def recorded(database: Database) -> AsyncGenerator[list[str]]:
    """Yield the texts of the statements of write transactions in this block, those that begin and end them included.

    On SQLite with their values, each row of an `executemany` for itself; on Postgres one entry is one round trip.
    """
    texts: list[str] = []
    if database.embedded:
        async with database.transaction() as transaction:
            driver: Any = (await (await transaction.begun()).get_raw_connection()).driver_connection
        await driver.set_trace_callback(texts.append)
        try:
            yield texts
        finally:
            await driver.set_trace_callback(None)
        return

    with _recorded_from_checkout(database, database.writer, texts.append):
        yield texts


@asynccontextmanager
async def recorded_reads(database: Database) -> AsyncGenerator[list[str]]:
    """Yield the texts of the SELECTs of readers in this block, whether SQLAlchemy knows of them or not.

    On Postgres those of write transactions too: all use the same connections.
    """
    texts: list[str] = []

    def note(text: str) -> None:
        if text.startswith(("SELECT", "WITH")):
            texts.append(text)

    # The next reads take connections from the pool.
    await database.readers.close_idle()
    with _recorded_from_checkout(database, database.reader, note):
        yield texts
        await database.readers.close_idle()


@contextmanager
def _recorded_from_checkout(database: Database, engine: AsyncEngine, note: Callable[[str], None]) -> Generator[None]:
    """Call `note` with the text of each statement of the connections that are taken from a pool in this block."""

    def log(query: Any) -> None:
        note(query.query)

    def on_checkout(connection: Any, *_: object) -> None:
        driver = connection.driver_connection
        if database.embedded:
            driver.file.set_trace_callback(note)
        else:
            driver.add_query_logger(log)

    def on_checkin(connection: Any, *_: object) -> None:
        if connection is None:
            return
        driver = connection.driver_connection
        if database.embedded:
            driver.file.set_trace_callback(None)
        else:
            driver.remove_query_logger(log)

    def on_execute(connection: sa.Connection, _cursor: object, text: str, *_: object) -> None:
        reads = connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
        if reads == (engine is database.reader):
            note(text)

    pool = engine.sync_engine.pool
    listeners: list[tuple[Any, str, Any]] = [(pool, "checkout", on_checkout), (pool, "checkin", on_checkin)]
    if not database.embedded:
        # asyncpg does not log what a prepared statement executes, and SQLAlchemy prepares its statements.
        listeners.append((engine.sync_engine, "before_cursor_execute", on_execute))
    for listener in listeners:
        event.listen(*listener)
    try:
        yield
    finally:
        for listener in listeners:
            event.remove(*listener)
