"""Run the purge, and read the rows and files that it leaves."""

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from coordinator.storage import purge
from models.db.clock import now
from models.db.tables import DISCARDED_MEDIA, EVENT, JOB, SCENE, TAKE
from tests.support.server_app import App

NO_GRACE = timedelta(0)
PAST = timedelta(seconds=-1)


async def delete(app: App, job_id: str, window: timedelta = PAST) -> None:
    """Delete a job, with a recovery window that ends this long from now."""
    values = {"deleted_at": now(), "purge_after": now() + window}
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(JOB).where(JOB.c.id == job_id).values(values))


async def run(app: App, grace: timedelta = NO_GRACE) -> None:
    """Run the purge now; discarded files are deleted after `grace`."""
    await purge.purge(app.container.store, app.container.media, app.container.bus, grace)


async def rows(app: App, job_id: str) -> list[int]:
    """Count the jobs, scenes, takes and events of a job."""
    columns = [JOB.c.id, SCENE.c.job_id, TAKE.c.job_id, EVENT.c.job_id]
    async with app.container.store.read() as connection:
        counts = [await connection.execute(sa.select(sa.func.count()).where(column == job_id)) for column in columns]
    return [result.scalar_one() for result in counts]


async def discarded(app: App, job_id: str) -> list[str]:
    """Return the file keys of a job that are marked for deletion."""
    async with app.container.store.read() as connection:
        query = sa.select(DISCARDED_MEDIA.c.key).where(DISCARDED_MEDIA.c.key.startswith(job_id, autoescape=True))
        return sorted((await connection.execute(query)).scalars())


def files(folder: Path, job_id: str) -> list[Path]:
    """Return the video files that are stored for a job."""
    return list((folder / "media" / job_id).rglob("*.mp4"))
