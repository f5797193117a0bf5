"""Records what the writing connections of a database execute."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event

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

    def log(query: Any) -> None:
        texts.append(query.query)

    def on_checkout(connection: Any, *_: object) -> None:
        connection.driver_connection.add_query_logger(log)

    def on_checkin(connection: Any, *_: object) -> None:
        if connection is not None:
            connection.driver_connection.remove_query_logger(log)

    pool = database.writer.sync_engine.pool
    event.listen(pool, "checkout", on_checkout)
    event.listen(pool, "checkin", on_checkin)
    try:
        yield texts
    finally:
        event.remove(pool, "checkout", on_checkout)
        event.remove(pool, "checkin", on_checkin)
