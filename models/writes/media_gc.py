"""Garbage collection of stored files: marked in the transaction that drops the last reference, deleted later."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import DISCARDED_MEDIA, JOB, SCENE, TAKE

# How far ahead a file is marked at most: an assembly marks its video for its deadline before it stores it.
LONGEST_AHEAD = timedelta(hours=2)


async def mark(connection: Connection, keys: Sequence[str], at: datetime) -> None:
    """Mark files for deletion a grace period after `at`; a key that ends in a slash means everything below it."""
    await unmark(connection, keys)
    if keys:
        await connection.execute(
            sa.insert(DISCARDED_MEDIA), [{"key": key, "discarded_at": at} for key in dict.fromkeys(keys)]
        )


async def unmark(connection: Connection, keys: Sequence[str]) -> None:
    """Remove the marks of files that are referenced or deleted."""
    if keys:
        await connection.execute(sa.delete(DISCARDED_MEDIA).where(DISCARDED_MEDIA.c.key.in_(keys)))


async def due(connection: Connection, before: datetime, limit: int) -> list[str]:
    """Return the files marked before this instant, oldest first."""
    query = (
        sa.select(DISCARDED_MEDIA.c.key)
        .where(DISCARDED_MEDIA.c.discarded_at < before)
        .order_by(DISCARDED_MEDIA.c.discarded_at, DISCARDED_MEDIA.c.key)
    )
    return list((await connection.execute(query.limit(limit))).scalars())


async def referenced(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Return those of these keys that are still referenced; their files must stay despite the mark."""
    paths = [key.rstrip("/").split("/") for key in keys]
    named = [path[-1].partition(".")[0] for path in paths]
    jobs = sa.select(JOB.c.id, JOB.c.output).where(JOB.c.id.in_([path[0] for path in paths]))
    scenes = sa.select(SCENE.c.job_id, SCENE.c.id).where(SCENE.c.id.in_(named))
    takes = sa.select(TAKE.c.output, TAKE.c.poster, TAKE.c.preview).where(TAKE.c.id.in_(named))
    used: set[str] = set()
    for job_id, output in await connection.execute(jobs):
        used |= {f"{job_id}/", *_keys(output)}
    for job_id, scene_id in await connection.execute(scenes):
        used.add(f"{job_id}/{scene_id}/")
    for files in await connection.execute(takes):
        used |= set(_keys(*files))
    return used.intersection(keys)


def _keys(*files: dict[str, Any] | None) -> list[str]:
    return [file["key"] for file in files if file is not None and "key" in file]
