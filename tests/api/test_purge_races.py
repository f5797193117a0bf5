"""A purge and a concurrent change: nothing of a restored job or scene is lost, and a purged one is unknown."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from coordinator.storage import purge
from models.db.clock import now
from models.db.tables import DISCARDED_MEDIA, JOB, SCENE
from models.domain.access import LOCAL
from models.domain.events import EventType
from models.writes import media_gc
from tests.support import jobs
from tests.support.database_choice import database_choice
from tests.support.factories import NO_SCENE, a_job, accepted
from tests.support.server_app import App
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

EXPIRED = timedelta(seconds=-1)
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def expire(app: App, table: sa.Table, thing_id: str) -> None:
    """Let the recovery window of a deleted job or scene end a second ago."""
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(table).where(table.c.id == thing_id).values(purge_after=now() + EXPIRED))


async def until_blocked(app: App, waiting: "asyncio.Task[Any]") -> None:
    """Wait until one of the two waits for the other: for its row lock on Postgres, for the only writer on SQLite."""
    if not database_choice.distributed:
        await asyncio.sleep(0)
        return

    async def blocked() -> bool:
        async with app.container.store.read() as connection:
            return waiting.done() or (await connection.exec_driver_sql(BLOCKED)).scalar_one() > 0

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


async def test_scene_restored_while_a_purge_lowers_its_position_is_shown_where_it_is(shared: App) -> None:
    """On Postgres, the restore begins while the purge holds the lock of the job, and sees the scene after it."""
    made = await a_job(shared, "A kite", "A boat", "A tree")
    purged, restored, _ = made.scenes
    for scene_id in (restored, purged):
        await accepted(shared, "deleteScene", "deletedSceneId", sceneId=scene_id)
    await expire(shared, SCENE, purged)
    position = sa.select(SCENE.c.position).where(SCENE.c.id == restored)
    async with shared.container.store.maintenance() as connection:
        assert (await connection.execute(position)).scalar_one() == 1
        await connection.execute(sa.select(JOB.c.id).where(JOB.c.id == made.id).with_for_update())
        restoring = asyncio.create_task(
            shared.mutate("restoreScene", "scene { position version } job { version }", sceneId=restored)
        )
        await until_blocked(shared, restoring)
        # As `purge.remove_scenes` does under this lock.
        await connection.execute(sa.delete(SCENE).where(SCENE.c.id == purged))
        await connection.execute(sa.update(SCENE).where(SCENE.c.id == restored).values(position=0))
    shown = await restoring
    async with shared.container.store.read() as connection:
        assert shown["scene"]["position"] == (await connection.execute(position)).scalar_one()
    assert shown["scene"]["version"] == shown["job"]["version"]


async def test_purged_scene_is_refused_as_any_unknown_scene(shared: App) -> None:
    """Also by a server that knows its job from an earlier change of it; with and without the id of the job."""
    made = await a_job(shared, "A kite", "A boat")
    scene_id = made.scenes[0]
    await accepted(shared, "updateScene", sceneId=scene_id, title="Known")
    await accepted(shared, "deleteScene", "deletedSceneId", sceneId=scene_id)
    await expire(shared, SCENE, scene_id)
    assert made.id in await purge.remove_scenes(shared.container.store)
    for name, fields in (("updateScene", {"title": "New"}), ("restoreScene", {}), ("regenerateScene", {})):
        unknown = await shared.mutate(name, "errors { code path message }", sceneId=NO_SCENE, **fields)
        for job in ({}, {"jobId": made.id}) if name == "updateScene" else ({},):
            answer = await shared.mutate(name, "errors { code path message }", sceneId=scene_id, **fields, **job)
            assert answer == unknown, (name, job)


async def test_files_that_two_transactions_mark_are_marked_by_both(shared: App) -> None:
    """As two purges do that could not delete the same files. The later one waits, and its time counts."""
    store, keys = shared.container.store, ["marked/one.mp4", "marked/two.mp4"]
    first_at, later_at = now(), now() + timedelta(minutes=1)

    async def mark(keys: list[str], at: datetime) -> None:
        async with store.write() as connection:
            await media_gc.mark(connection, keys, at)

    async with store.write() as connection:
        await media_gc.mark(connection, keys, first_at)
        waiting = asyncio.create_task(mark(keys[::-1], later_at))
        await until_blocked(shared, waiting)
    await waiting
    async with store.write() as connection:
        times = sa.select(DISCARDED_MEDIA.c.discarded_at).where(DISCARDED_MEDIA.c.key.in_(keys))
        assert [*(await connection.execute(times)).scalars()] == [later_at, later_at]
        await media_gc.unmark(connection, keys)
