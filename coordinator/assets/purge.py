"""Deletes expired assets and uploads: rows first, files by the garbage collection of media."""

from datetime import datetime

import sqlalchemy as sa

from coordinator.assets.uploads import close
from models.db import clock
from models.db.asset_tables import ASSET, UPLOAD
from models.db.database import Connection
from models.db.tables import JOB, SCENE, SCENE_INPUT
from models.writes import media_gc
from models.writes.store import Store

# Each transaction holds SQLite's only writer.
ROWS_AT_ONCE = 100


# A scene may be restored after its asset was deleted.
_USED = (
    sa.select(sa.true())
    .select_from(SCENE_INPUT.join(SCENE, SCENE.c.id == SCENE_INPUT.c.scene_id).join(JOB, JOB.c.id == SCENE.c.job_id))
    .where(SCENE_INPUT.c.ref == ASSET.c.id, SCENE.c.deleted_at.is_(None), JOB.c.deleted_at.is_(None))
    .correlate(ASSET)
    .exists()
)


async def purge(store: Store) -> None:
    """Delete all due assets and uploads."""
    while await remove_assets(store):
        pass
    while await remove_uploads(store):
        pass


async def remove_assets(store: Store) -> int:
    """Delete up to ROWS_AT_ONCE due assets: deleted ones, and those that never became READY; return how many.

    One that a live scene uses stays.
    """
    async with store.maintenance() as connection:
        instant = await clock.current(connection)
        due = (ASSET.c.purge_after <= instant) & ~_USED
        # One that another transaction has is left to the next purge: waiting for several could end in a deadlock.
        locked = sa.select(ASSET.c.id).where(due).order_by(ASSET.c.purge_after).limit(ROWS_AT_ONCE)
        some = list((await connection.execute(locked.with_for_update(skip_locked=True, of=ASSET))).scalars())
        # Checked again under the row lock: a concurrent restore or completion wins.
        delete = sa.delete(ASSET).where(ASSET.c.id.in_(some), due)
        removed = list(await connection.execute(delete.returning(ASSET.c.upload_id, ASSET.c.media, ASSET.c.poster)))
        await close(connection, [upload_id for upload_id, _, _ in removed if upload_id is not None])
        files = [file for _, *both in removed for file in both if file is not None]
        # Other assets may have the same files: those stay when they are due.
        await media_gc.mark(connection, [file["key"] for file in files], instant)
    return len(removed)


async def remove_uploads(store: Store) -> int:
    """Delete up to ROWS_AT_ONCE expired uploads; return how many."""
    async with store.maintenance() as connection:
        expired = sa.select(UPLOAD.c.id).where(UPLOAD.c.expires_at <= await clock.current(connection))
        locked = expired.order_by(UPLOAD.c.expires_at).limit(ROWS_AT_ONCE).with_for_update(skip_locked=True)
        some = list((await connection.execute(locked)).scalars())
        await close(connection, some)
    return len(some)


async def correct_ages(connection: Connection, instant: datetime, latest: datetime) -> int:
    """Restart, from now, the spans of assets and uploads that began in the future; return their number."""
    corrected = 0
    spans = (
        (ASSET, ASSET.c.deleted_at, ASSET.c.purge_after),
        (ASSET, ASSET.c.created_at, ASSET.c.purge_after),
        (UPLOAD, UPLOAD.c.created_at, UPLOAD.c.expires_at),
    )
    for table, start, end in spans:
        ahead = sa.select(table.c.id, start, end).where(start > latest, end > start)
        for row_id, started_at, ends_at in (await connection.execute(ahead)).all():
            values = {start.name: instant, end.name: instant + (ends_at - started_at)}
            await connection.execute(sa.update(table).where(table.c.id == row_id).values(values))
            corrected += 1
    return corrected
