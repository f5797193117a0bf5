"""Stored instants moved into the future, as a clock that is ahead would have written them."""

from datetime import datetime, timedelta
from typing import cast

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import (
    ALLOWANCE,
    AUDIT,
    DISCARDED_MEDIA,
    EVENT,
    IDEMPOTENCY_KEY,
    JOB,
    SCENE,
    TAKE,
    WEBHOOK,
    WEBHOOK_DELIVERY,
)
from models.writes.store import Store

TABLES = (ALLOWANCE, AUDIT, DISCARDED_MEDIA, EVENT, IDEMPOTENCY_KEY, JOB, SCENE, TAKE, WEBHOOK, WEBHOOK_DELIVERY)
INSTANTS_IN_JSON = ("at", "occurred_at")


async def shift(store: Store, by: timedelta) -> None:
    """Add a time to every instant that is stored, those of waiting tickets included."""
    async with store.write() as connection:
        for table in TABLES:
            await _shift_table(connection, table, by)
        if not store.database.embedded:
            columns = ("created", "updated", "heartbeat", "execute_after")
            moved = ", ".join(f"{column} = {column} + $1::interval" for column in columns)
            await connection.exec_driver_sql(f"UPDATE pgqueuer SET {moved}", (by,))  # noqa: S608 # constants


async def _shift_table(connection: Connection, table: sa.Table, by: timedelta) -> None:
    key = list(table.primary_key.columns)
    for row in (await connection.execute(sa.select(table))).mappings().all():
        values = {name: _shifted(value, by) for name, value in row.items() if name not in table.primary_key.columns}
        same_row = sa.and_(*(column == row[column.name] for column in key))
        await connection.execute(sa.update(table).where(same_row).values(values))


def _shifted(value: object, by: timedelta, name: str = "") -> object:
    match value:
        case datetime():
            return value + by
        case dict():
            return {key: _shifted(each, by, key) for key, each in cast("dict[str, object]", value).items()}
        case list():
            return [_shifted(each, by) for each in cast("list[object]", value)]
        case str() if name in INSTANTS_IN_JSON:
            return (datetime.fromisoformat(value) + by).isoformat()
        case _:
            return value
