"""Records what the connections of a database execute."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from models.db.database import Database


@asynccontextmanager
async def recorded(database: Database) -> AsyncGenerator[list[str]]:
    """Yield the texts of the statements of write transactions in this block, those that begin and end them included.

    On SQLite with their values, each row of an `executemany` for itself, without what triggers and FTS5 execute; on
    Postgres one entry is one round trip.
    """
    texts: list[str] = []

    def note_statement(text: str) -> None:
        # For each statement of a trigger, sqlite3 repeats the text of the statement that fired it; those of FTS5 are
        # comments, https://www.sqlite.org/c3ref/c_trace.html.
        if not text.startswith("--") and texts[-1:] != [text]:
            texts.append(text)

    if database.embedded:
        async with database.transaction() as transaction:
            driver: Any = (await (await transaction.begun()).get_raw_connection()).driver_connection
        await driver.set_trace_callback(note_statement)
        try:
            yield texts
        finally:
            await driver.set_trace_callback(None)
        return

    writing: set[Any] = set()

    def note(connection: Any, text: str) -> None:
        if text.startswith("BEGIN") and "READ ONLY" not in text:
            writing.add(connection)
        if connection in writing:
            texts.append(text)
        if text in ("COMMIT", "ROLLBACK"):
            writing.discard(connection)

    # The next transactions take connections from the pool.
    await database.readers.close_idle()
    with _recorded_from_checkout(database, note):
        yield texts
        await database.readers.close_idle()


@asynccontextmanager
async def recorded_reads(database: Database, *, also: str = "SELECT") -> AsyncGenerator[list[str]]:
    """Yield the texts of the SELECTs of readers in this block, whether SQLAlchemy knows of them or not.

    And those of the statements that begin with `also`.
    On Postgres those of write transactions too: all use the same connections.
    """
    texts: list[str] = []

    def note(_connection: Any, text: str) -> None:
        if text.startswith(("SELECT", "WITH", also)):
            texts.append(text)

    # The next reads take connections from the pool.
    await database.readers.close_idle()
    with _recorded_from_checkout(database, note):
        yield texts
        await database.readers.close_idle()


@contextmanager
def _recorded_from_checkout(database: Database, note: Callable[[Any, str], None]) -> Generator[None]:
    """Call `note` with each statement of the connections that readers take from the pool in this block.

    It is given the driver's connection and the text.
    """
    engine = database.reader
    loggers: dict[Any, Callable[[Any], None]] = {}

    def on_checkout(connection: Any, *_: object) -> None:
        driver = connection.driver_connection
        if database.embedded:
            driver.file.set_trace_callback(partial(note, driver))
        else:
            loggers[driver] = lambda query: note(driver, query.query)
            driver.add_query_logger(loggers[driver])

    def on_checkin(connection: Any, *_: object) -> None:
        if connection is None:
            return
        driver = connection.driver_connection
        if database.embedded:
            driver.file.set_trace_callback(None)
        elif driver in loggers:
            driver.remove_query_logger(loggers.pop(driver))

    def on_execute(connection: sa.Connection, _cursor: object, text: str, *_: object) -> None:
        note(connection.connection.driver_connection, text)

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
