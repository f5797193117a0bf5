"""A purge that waits for a concurrent restore: the restore wins, and nothing of the job or scene is lost."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from coordinator.storage import purge
from models.db.clock import now
from models.db.tables import JOB, SCENE
from models.domain.access import LOCAL
from models.domain.events import EventType
from tests.support import jobs
from tests.support.database_choice import database_choice
from tests.support.factories import a_job, accepted
from tests.support.server_app import App
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

EXPIRED = timedelta(seconds=-1)
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def expire(app: App, table: sa.Table, thing_id: str) -> None:
    """Let the recovery window of a deleted job or scene end a second ago."""
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(table).where(table.c.id == thing_id).values(purge_after=now() + EXPIRED))


async def until_blocked(app: App, purging: "asyncio.Task[list[str]]") -> None:
    """Wait until the purge waits for the restore: for its row lock on Postgres, for the only writer on SQLite."""
    if not database_choice.distributed:
        await asyncio.sleep(0)
        return

    async def blocked() -> bool:
        async with app.container.store.read() as connection:
            return purging.done() or (await connection.exec_driver_sql(BLOCKED)).scalar_one() > 0

    await eventually(blocked)


async def test_job_restored_while_the_purge_waits_is_not_purged(shared: App) -> None:
    """The purge re-checks under the row lock: its first look at the job was older than the restore."""
    made = await a_job(shared, "A kite")
    await accepted(shared, "deleteJob", jobId=made.id)
    await expire(shared, JOB, made.id)
    async with shared.container.store.change(made.id, LOCAL, deleted=True) as change:
        change.set_job(deleted_at=None, purge_after=None)
        change.record(EventType.JOB_RESTORED, changed=["deletedAt"])
        purging = asyncio.create_task(purge.remove_jobs(shared.container.store))
        await until_blocked(shared, purging)
    assert made.id not in await purging
    assert (await jobs.job(shared, made.id, "scenes { nodes { prompt } }"))["scenes"]["nodes"] == [{"prompt": "A kite"}]


async def test_scene_restored_while_the_purge_waits_is_not_purged(shared: App) -> None:
    """As for jobs; the purge locks the scene's job first."""
    made = await a_job(shared, "A kite", "A boat")
    scene_id = made.scenes[0]
    await accepted(shared, "deleteScene", "deletedSceneId", sceneId=scene_id)
    await expire(shared, SCENE, scene_id)
    async with shared.container.store.change(made.id, LOCAL) as change:
        scene = await change.scene(scene_id)
        (await change.arrangement()).restore(scene_id)
        await change.write_scene(scene, EventType.SCENE_RESTORED, ["deletedAt"], deleted_at=None, purge_after=None)
        purging = asyncio.create_task(purge.remove_scenes(shared.container.store))
        await until_blocked(shared, purging)
    assert made.id not in await purging
    prompts = (await jobs.job(shared, made.id, "scenes { nodes { prompt } }"))["scenes"]["nodes"]
    assert prompts == [{"prompt": "A kite"}, {"prompt": "A boat"}]
