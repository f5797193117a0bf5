"""The purge: what was deleted and can no longer be restored goes for good, rows first and files an hour later.

In steps that may each be interrupted and done again, also by several processes at once: rows are removed in one
transaction with the note of what they leave behind, and a note is removed when its files are.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from coordinator.bus.port import Bus, Hint
from coordinator.storage.media import MediaStore
from models.db.database import Connection
from models.db.tables import JOB, SCENE
from models.writes import media_gc
from models.writes.store import Store, now

log = logging.getLogger(__name__)

# Somebody may still be watching what was there a moment ago.
GRACE = timedelta(hours=1)
# Each transaction holds SQLite's only writer; a job takes up to 200 scenes and its log with it.
JOBS_AT_ONCE = 10
SCENES_AT_ONCE = 100
FILES_AT_ONCE = 100


async def purge(store: Store, media: MediaStore, bus: Bus, grace: timedelta = GRACE) -> None:
    """Remove all that is due. Streams of a removed job or scene end."""
    while gone := await remove_jobs(store):
        _tell(bus, gone)
    while gone := await remove_scenes(store):
        _tell(bus, gone)
    while await delete_files(store, media, grace):
        pass


async def remove_jobs(store: Store) -> list[str]:
    """Remove some jobs with all they have; answers which."""
    over = sa.and_(JOB.c.deleted_at.is_not(None), JOB.c.purge_after <= now())
    some = sa.select(JOB.c.id).where(over).order_by(JOB.c.purge_after).limit(JOBS_AT_ONCE)
    async with store.maintenance() as connection:
        # Said again: who restores one in the meantime is waited for, and then it is not over.
        removed = await connection.execute(sa.delete(JOB).where(JOB.c.id.in_(some), over).returning(JOB.c.id))
        gone = list(removed.scalars())
        await media_gc.mark(connection, [f"{job_id}/" for job_id in gone], now())
    return gone


async def remove_scenes(store: Store) -> list[str]:
    """Remove some scenes with all their takes; answers the job of each."""
    over = sa.and_(SCENE.c.deleted_at.is_not(None), SCENE.c.purge_after <= now())
    some = sa.select(SCENE.c.id).where(over).order_by(SCENE.c.purge_after).limit(SCENES_AT_ONCE)
    async with store.maintenance() as connection:
        # As every change does: the job first. Its play order is not to be read by another meanwhile.
        theirs = sa.select(SCENE.c.job_id).where(SCENE.c.id.in_(some))
        await connection.execute(sa.select(JOB.c.id).where(JOB.c.id.in_(theirs)).order_by(JOB.c.id).with_for_update())
        removed = await connection.execute(
            sa.delete(SCENE).where(SCENE.c.id.in_(some), over).returning(SCENE.c.job_id, SCENE.c.id, SCENE.c.position)
        )
        gone = [(str(job_id), str(scene_id), int(position)) for job_id, scene_id, position in removed]
        await _close_gaps(connection, gone)
        await media_gc.mark(connection, [f"{job_id}/{scene_id}/" for job_id, scene_id, _ in gone], now())
    return [job_id for job_id, _, _ in gone]


async def _close_gaps(connection: Connection, gone: Sequence[tuple[str, str, int]]) -> None:
    """What is still deleted returns to its place in the order, which has fewer scenes now; the live ones are dense."""
    for job_id, _, position in sorted(gone, key=lambda each: each[2], reverse=True):
        later = sa.and_(SCENE.c.job_id == job_id, SCENE.c.deleted_at.is_not(None), SCENE.c.position > position)
        await connection.execute(sa.update(SCENE).where(later).values(position=SCENE.c.position - 1))


async def delete_files(store: Store, media: MediaStore, grace: timedelta = GRACE) -> int:
    """Delete some of the files that were discarded longer ago than the grace, then their notes; answers how many."""
    async with store.read() as connection:
        due = await media_gc.due(connection, now() - grace, FILES_AT_ONCE)
        used = await media_gc.referenced(connection, due)
    failed = [key for key in due if key not in used and not await _deleted(media, key)]
    async with store.maintenance() as connection:
        await media_gc.unmark(connection, [key for key in due if key not in failed])
        # They are not asked for again before the others.
        await media_gc.mark(connection, failed, now())
    return len(due) - len(failed)


async def _deleted(media: MediaStore, key: str) -> bool:
    try:
        await media.delete(key)
    except Exception:
        log.warning("not deleted: %s", key, exc_info=True, extra={"action": "purge.file"})
        return False
    return True


def _tell(bus: Bus, job_ids: Sequence[str]) -> None:
    for job_id in dict.fromkeys(job_ids):
        bus.publish(Hint(job_id, 0))
