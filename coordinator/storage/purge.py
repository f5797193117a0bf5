"""The purge: deletes jobs and scenes whose recovery window is over, rows first and files an hour later.

Each step may be interrupted and repeated, also by several processes at once: rows are deleted in one transaction with
the marks of their files for garbage collection, and a mark is removed when its file is.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from coordinator.bus.port import Bus, Hint
from coordinator.storage.media import MediaStore
from coordinator.storage.media_errors import reason_of
from models.db import clock
from models.db.database import Connection
from models.db.tables import JOB, SCENE
from models.writes import media_gc
from models.writes.store import Store

log = logging.getLogger(__name__)

# A browser may still be playing the file.
GRACE = timedelta(hours=1)
# Each transaction holds SQLite's only writer; a job takes up to 200 scenes and its log with it.
JOBS_AT_ONCE = 10
SCENES_AT_ONCE = 100
FILES_AT_ONCE = 100


async def purge(store: Store, media: MediaStore, bus: Bus, grace: timedelta = GRACE) -> None:
    """Delete everything that is due. Streams of a deleted job or scene end."""
    while job_ids := await remove_jobs(store):
        _publish(bus, job_ids)
    while job_ids := await remove_scenes(store):
        _publish(bus, job_ids)
    while await delete_files(store, media, grace):
        pass


async def remove_jobs(store: Store) -> list[str]:
    """Delete up to JOBS_AT_ONCE due jobs and all their rows; returns their ids."""
    async with store.maintenance() as connection:
        instant = await clock.current(connection)
        expired = sa.and_(JOB.c.deleted_at.is_not(None), JOB.c.purge_after <= instant)
        some = sa.select(JOB.c.id).where(expired).order_by(JOB.c.purge_after).limit(JOBS_AT_ONCE)
        ids = list((await connection.execute(some)).scalars())
        # Check again under the row lock: a concurrent restore wins. Lock order of several jobs: by their ids.
        locked = sa.select(JOB.c.id).where(JOB.c.id.in_(ids), expired).order_by(JOB.c.id).with_for_update()
        job_ids = list((await connection.execute(locked)).scalars())
        await connection.execute(sa.delete(JOB).where(JOB.c.id.in_(job_ids)))
        await media_gc.mark(connection, [f"{job_id}/" for job_id in job_ids], instant)
    return job_ids


async def remove_scenes(store: Store) -> list[str]:
    """Delete up to SCENES_AT_ONCE due scenes and their takes; returns the job id of each."""
    async with store.maintenance() as connection:
        instant = await clock.current(connection)
        expired = sa.and_(SCENE.c.deleted_at.is_not(None), SCENE.c.purge_after <= instant)
        some = sa.select(SCENE.c.id).where(expired).order_by(SCENE.c.purge_after).limit(SCENES_AT_ONCE)
        # Lock order as in every change: the job row first, so that no other change reads the play order meanwhile.
        job_ids = sa.select(SCENE.c.job_id).where(SCENE.c.id.in_(some))
        await connection.execute(sa.select(JOB.c.id).where(JOB.c.id.in_(job_ids)).order_by(JOB.c.id).with_for_update())
        removed = await connection.execute(
            sa.delete(SCENE).where(SCENE.c.id.in_(some)).returning(SCENE.c.job_id, SCENE.c.id, SCENE.c.position)
        )
        scenes = [(str(job_id), str(scene_id), int(position)) for job_id, scene_id, position in removed]
        await _close_gaps(connection, scenes)
        await media_gc.mark(connection, [f"{job_id}/{scene_id}/" for job_id, scene_id, _ in scenes], instant)
    return [job_id for job_id, _, _ in scenes]


async def _close_gaps(connection: Connection, removed: Sequence[tuple[str, str, int]]) -> None:
    """Lower the positions of later deleted scenes, to which they return when restored. Live scenes have no gaps."""
    for job_id, _, position in sorted(removed, key=lambda each: each[2], reverse=True):
        later = sa.and_(SCENE.c.job_id == job_id, SCENE.c.deleted_at.is_not(None), SCENE.c.position > position)
        await connection.execute(sa.update(SCENE).where(later).values(position=SCENE.c.position - 1))


async def delete_files(store: Store, media: MediaStore, grace: timedelta = GRACE) -> int:
    """Delete up to FILES_AT_ONCE files marked longer ago than `grace`, then their marks; returns how many."""
    async with store.read() as connection:
        due = await media_gc.due(connection, await clock.current(connection) - grace, FILES_AT_ONCE)
        used = await media_gc.referenced(connection, due)
    failed = [key for key in due if key not in used and not await _deleted(media, key)]
    async with store.maintenance() as connection:
        # All at once, so that another purge waits in the order of the keys.
        await media_gc.unmark(connection, due)
        # With a new time they come after all other files.
        await media_gc.mark(connection, failed, await clock.current(connection))
    return len(due) - len(failed)


async def _deleted(media: MediaStore, key: str) -> bool:
    try:
        await media.delete(key)
    except Exception as error:
        log.warning("not deleted: %s: %s", key, reason_of(error), extra={"action": "purge.file"})
        return False
    return True


def _publish(bus: Bus, job_ids: Sequence[str]) -> None:
    for job_id in dict.fromkeys(job_ids):
        bus.publish(Hint(job_id, 0))
