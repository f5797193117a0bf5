"""Garbage collection of stored files: marked in the transaction that drops the last reference, deleted later."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from models.db.asset_tables import ASSET
from models.db.database import Connection
from models.db.prepared import Prepared
from models.db.tables import DISCARDED_MEDIA, JOB, SCENE, TAKE
from models.lazy_import import lazily

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    # A server with SQLite does without it.
    postgresql = lazily("sqlalchemy.dialects.postgresql")

# How far ahead a file is marked at most: an assembly marks its video for its deadline before it stores it.
LONGEST_AHEAD = timedelta(hours=2)


def _marked(insert: "sqlite.Insert | postgresql.Insert") -> "sqlite.Insert | postgresql.Insert":
    return insert.on_conflict_do_update(index_elements=["key"], set_={"discarded_at": insert.excluded.discarded_at})


_MARK = Prepared(
    _marked(sqlite.insert(DISCARDED_MEDIA)),
    lambda: _marked(postgresql.insert(DISCARDED_MEDIA)),
)


async def mark(connection: Connection, keys: Sequence[str], at: datetime) -> None:
    """Mark files for deletion a grace period after `at`; a key that ends in a slash means everything below it.

    Two transactions may mark the same files: the later one waits, in the order of the keys, and its time counts.
    """
    rows = [{"key": key, "discarded_at": at} for key in sorted(set(keys))]
    if rows:
        await connection.execute(_MARK.plain(connection.dialect.name), rows)


async def unmark(connection: Connection, keys: Sequence[str]) -> None:
    """Remove the marks of files that are referenced or deleted."""
    if keys:
        marked = DISCARDED_MEDIA.c.key.in_(keys)
        in_order = sa.select(DISCARDED_MEDIA.c.key).where(marked).order_by(DISCARDED_MEDIA.c.key)
        await connection.execute(in_order.with_for_update())
        await connection.execute(sa.delete(DISCARDED_MEDIA).where(marked))


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
    takes = sa.select(TAKE.c.output, TAKE.c.poster, TAKE.c.preview, TAKE.c.original).where(TAKE.c.id.in_(named))
    stems = {key: key.partition(".")[0] for key in keys}
    assets = sa.select(ASSET.c.stored_as).where(ASSET.c.stored_as.in_(stems.values()))
    kept = set((await connection.execute(assets)).scalars())
    used = {key for key, stem in stems.items() if stem in kept}
    for job_id, output in await connection.execute(jobs):
        used |= {f"{job_id}/", *_keys(output)}
    for job_id, scene_id in await connection.execute(scenes):
        used.add(f"{job_id}/{scene_id}/")
    for files in await connection.execute(takes):
        used |= set(_keys(*files))
    return used.intersection(keys)


def _keys(*files: dict[str, Any] | None) -> list[str]:
    return [file["key"] for file in files if file is not None and "key" in file]
