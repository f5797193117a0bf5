"""Stored files that nothing refers to any more. Written down in the transaction that makes it so, deleted later."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from models.database import Connection
from models.tables import DISCARDED_MEDIA


async def discard(connection: Connection, keys: Sequence[str], at: datetime) -> None:
    """Let these files be deleted a while after `at`; a key that ends in a slash means all that is kept under it."""
    await retain(connection, keys)
    if keys:
        await connection.execute(
            sa.insert(DISCARDED_MEDIA), [{"key": key, "discarded_at": at} for key in dict.fromkeys(keys)]
        )


async def retain(connection: Connection, keys: Sequence[str]) -> None:
    """These files are in use, or gone."""
    if keys:
        await connection.execute(sa.delete(DISCARDED_MEDIA).where(DISCARDED_MEDIA.c.key.in_(keys)))


async def due(connection: Connection, before: datetime, limit: int) -> list[str]:
    """The files discarded before then, the oldest first."""
    query = (
        sa.select(DISCARDED_MEDIA.c.key)
        .where(DISCARDED_MEDIA.c.discarded_at < before)
        .order_by(DISCARDED_MEDIA.c.discarded_at, DISCARDED_MEDIA.c.key)
    )
    return list((await connection.execute(query.limit(limit))).scalars())
