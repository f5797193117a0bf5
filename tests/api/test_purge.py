"""The purge removes rows and files of deleted jobs and scenes after their recovery window, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from coordinator import coordinator
from coordinator.storage import purge
from models.db.clock import now
from models.db.tables import SCENE, TAKE
from models.writes import media_gc
from tests.support import jobs
from tests.support.assembled_video import wait_for_video
from tests.support.clip_provider import ClipProvider, clip
from tests.support.factories import accepted
from tests.support.purges import NO_GRACE, delete, discarded, files, rows, run
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases, pytest.mark.thorough_on_postgres]


class Crash(BaseException):
    """Simulates the death of the process."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the server."""
    return tmp_path_factory.mktemp("purge")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, folder: Path) -> AsyncGenerator[App]:
    """A server without a recovery window: a deleted scene can be purged at once."""
    async with running(folder, {"scripted": ClipProvider()}, recovery_window_seconds=0) as app:
        yield app


async def purgeable_job(app: App) -> jobs.Made:
    """Make a job with two clips, and wait for its video."""
    made = await jobs.make(app, clip("red"), clip("blue"), start=True)
    await wait_for_video(app, made.id)
    return made


class TestPurgeOfJobs:
    """Jobs whose recovery window has ended."""

    async def test_purged_job_loses_its_rows_and_files(self, app: App, folder: Path) -> None:
        """Scenes, takes, events and files; another job is unchanged."""
        purged, stays = await purgeable_job(app), await purgeable_job(app)
        before = await rows(app, stays.id)
        await delete(app, purged.id)
        await run(app)
        assert await rows(app, purged.id) == [0, 0, 0, 0]
        assert not (folder / "media" / purged.id).exists()
        assert await discarded(app, purged.id) == []
        assert await rows(app, stays.id) == before
        assert len(files(folder, stays.id)) == 3
        found = await app.execute("query($id: ID!) { job(id: $id) { id } node(id: $id) { id } }", id=purged.id)
        assert found == {"job": None, "node": None}

    async def test_files_of_a_purged_job_stay_for_a_grace_period(self, app: App, folder: Path) -> None:
        """For clients that are playing them."""
        purged = await purgeable_job(app)
        await delete(app, purged.id)
        await run(app, timedelta(hours=1))
        assert await rows(app, purged.id) == [0, 0, 0, 0]
        assert len(files(folder, purged.id)) == 3
        assert await discarded(app, purged.id) == [f"{purged.id}/"]

    async def test_purge_of_a_job_ends_its_streams(self, app: App) -> None:
        """With `complete`."""
        purged = await purgeable_job(app)
        await delete(app, purged.id)
        async with (
            app.subscribe("subscription($id: ID!) { jobEvents(jobId: $id) { __typename } }", id=purged.id) as events,
            app.subscribe("subscription($id: ID!) { jobProgress(jobId: $id) { total } }", id=purged.id) as progress,
            app.subscribe("subscription($id: ID!) { sceneUpdated(sceneId: $id) { id } }", id=purged.scenes[0]) as scene,
        ):
            for stream in (events, progress, scene):
                await stream.next()
            await run(app)
            for stream in (events, progress, scene):
                await stream.rest()

    async def test_purge_keeps_recoverable_and_live_jobs(self, app: App) -> None:
        """All rows stay."""
        recoverable, live = await purgeable_job(app), await purgeable_job(app)
        await delete(app, recoverable.id, timedelta(hours=1))
        before = [await rows(app, each.id) for each in (recoverable, live)]
        await run(app)
        assert [await rows(app, each.id) for each in (recoverable, live)] == before

    async def test_purge_removes_many_jobs_in_batches(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that each transaction is short."""
        monkeypatch.setattr(purge, "JOBS_AT_ONCE", 2)
        monkeypatch.setattr(purge, "FILES_AT_ONCE", 2)
        many = [await jobs.make(app) for _ in range(5)]
        for each in many:
            await delete(app, each.id)
        assert len(await purge.remove_jobs(app.container.store)) == 2
        await run(app)
        assert [await rows(app, each.id) for each in many] == [[0, 0, 0, 0]] * 5
        assert [await discarded(app, each.id) for each in many] == [[]] * 5


class TestPurgeOfScenes:
    """Deleted scenes of a live job."""

    async def test_purged_scene_loses_its_takes_and_files(self, app: App, folder: Path) -> None:
        """And the video that showed it; the other scene and the new video stay."""
        job = await purgeable_job(app)
        old = (await jobs.job(app, job.id, "output { url }"))["output"]["url"]
        await accepted(app, "deleteScene", sceneId=job.scenes[0])
        await wait_for_video(app, job.id)
        await run(app)
        assert (await rows(app, job.id))[:3] == [1, 1, 1]
        kept = await jobs.job(
            app, job.id, "output { url } scenes(includeDeleted: true) { nodes { id output { url } } }"
        )
        assert [scene["id"] for scene in kept["scenes"]["nodes"]] == [job.scenes[1]]
        assert len(files(folder, job.id)) == 2
        served = [kept["output"]["url"], kept["scenes"]["nodes"][0]["output"]["url"], old]
        answers = [(await app.http.head(url.removeprefix("http://scenewire.test"))).status_code for url in served]
        assert answers == [200, 200, 404]

    async def test_purge_of_a_scene_ends_its_stream(self, app: App) -> None:
        """With `complete`."""
        job = await purgeable_job(app)
        document = "subscription($id: ID!) { sceneUpdated(sceneId: $id) { id deletedAt } }"
        async with app.subscribe(document, id=job.scenes[0]) as stream:
            await stream.next()
            await accepted(app, "deleteScene", sceneId=job.scenes[0])
            await run(app)
            await stream.rest()

    async def test_purge_of_a_scene_keeps_the_positions_of_other_deleted_scenes(self, app: App) -> None:
        """A later restore puts a scene back between its old neighbours."""
        made = await jobs.make(app, *[clip(color) for color in ("red", "blue", "green", "white")], start=False)
        first, purged, back, last = made.scenes
        for scene_id in (purged, back):
            await accepted(app, "deleteScene", sceneId=scene_id)
        later = sa.update(SCENE).where(SCENE.c.id == back).values(purge_after=now() + timedelta(hours=1))
        async with app.container.store.write() as connection:
            await connection.execute(later)
        await run(app)
        restored = await accepted(app, "restoreScene", "job { scenes { nodes { id } } }", sceneId=back)
        assert [scene["id"] for scene in restored["job"]["scenes"]["nodes"]] == [first, back, last]


class TestPurgeCrash:
    """The process dies during a purge; the next run completes it."""

    async def test_crash_of_the_purge_before_its_commit_changes_nothing(
        self, app: App, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The transaction is rolled back."""
        purged = await purgeable_job(app)
        before = await rows(app, purged.id)
        await delete(app, purged.id)
        await self._crashes(run(app), monkeypatch, media_gc, "mark")
        assert await rows(app, purged.id) == before
        assert await discarded(app, purged.id) == []
        await self._finishes(app, folder, purged)

    async def test_crash_of_the_purge_after_its_commit_leaves_the_files_marked(
        self, app: App, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next run deletes the marked files."""
        purged = await purgeable_job(app)
        await delete(app, purged.id)
        await self._crashes(run(app), monkeypatch, app.container.media, "delete")
        assert await rows(app, purged.id) == [0, 0, 0, 0]
        assert await discarded(app, purged.id) == [f"{purged.id}/"]
        await self._finishes(app, folder, purged)

    async def test_crash_of_the_purge_after_the_deletion_of_files_is_repaired(
        self, app: App, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A second deletion of the files is no error."""
        purged = await purgeable_job(app)
        await delete(app, purged.id)
        await purge.remove_jobs(app.container.store)
        deleting = purge.delete_files(app.container.store, app.container.media, NO_GRACE)
        await self._crashes(deleting, monkeypatch, media_gc, "unmark")
        assert not (folder / "media" / purged.id).exists()
        assert await discarded(app, purged.id) == [f"{purged.id}/"]
        await self._finishes(app, folder, purged)

    async def _crashes(
        self, work: Coroutine[Any, Any, object], monkeypatch: pytest.MonkeyPatch, place: Any, name: str
    ) -> None:
        def crash(*_: object) -> None:
            raise Crash

        with monkeypatch.context() as patch:
            patch.setattr(place, name, crash)
            with pytest.raises(Crash):
                await work

    async def _finishes(self, app: App, folder: Path, purged: jobs.Made) -> None:
        await run(app)
        assert await rows(app, purged.id) == [0, 0, 0, 0]
        assert await discarded(app, purged.id) == []
        assert not (folder / "media" / purged.id).exists()


async def test_purge_keeps_files_that_are_in_use(app: App, folder: Path) -> None:
    """Even if they are marked for deletion."""
    job = await purgeable_job(app)
    document = "output { url } scenes { nodes { output { url } } }"
    shown = await jobs.job(app, job.id, document)
    urls = [shown["output"]["url"], *(scene["output"]["url"] for scene in shown["scenes"]["nodes"])]
    keys = [url.removeprefix("http://scenewire.test/media/") for url in urls]
    async with app.container.store.write() as connection:
        await media_gc.mark(connection, [f"{job.id}/", f"{job.id}/{job.scenes[0]}/", *keys], now())
    await run(app)
    assert len(files(folder, job.id)) == 3
    assert await discarded(app, job.id) == []


@pytest.mark.parametrize("field", ["poster", "preview", "original"])
async def test_purge_keeps_the_pictures_and_the_original_of_a_take_that_are_in_use(
    app: App, folder: Path, field: str
) -> None:
    """Files that are marked for deletion are kept while referenced, and deleted once the reference is gone."""
    job = await purgeable_job(app)
    scene = (await jobs.job(app, job.id, "scenes { nodes { currentTake { id } } }"))["scenes"]["nodes"][0]
    take_id: str = scene["currentTake"]["id"]
    key = f"{job.id}/{job.scenes[0]}/{take_id}.{field}.webp"
    stored = folder / "media" / key
    stored.write_bytes(b"a picture")
    reference = {"key": key, "content_type": "image/webp"}
    for value, kept in ((reference, True), (sa.null(), False)):
        async with app.container.store.write() as connection:
            await connection.execute(sa.update(TAKE).where(TAKE.c.id == take_id).values({field: value}))
            await media_gc.mark(connection, [key], now())
        await run(app)
        assert stored.exists() == kept
    assert await discarded(app, job.id) == []


async def test_purge_continues_after_a_file_that_cannot_be_deleted(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run tries it again."""
    stuck, purged = f"{(await jobs.make(app)).id}/stuck.mp4", f"{(await jobs.make(app)).id}/purged.mp4"
    async with app.container.store.write() as connection:
        await media_gc.mark(connection, [stuck, purged], now() - timedelta(hours=2))
    real = app.container.media.delete

    async def fails(key: str) -> None:
        if key == stuck:
            raise OSError("busy")
        await real(key)

    with monkeypatch.context() as patch:
        patch.setattr(app.container.media, "delete", fails)
        await run(app, timedelta(hours=1))
    assert (await discarded(app, stuck), await discarded(app, purged)) == ([stuck], [])
    await run(app)
    assert await discarded(app, stuck) == []


async def test_purge_runs_periodically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every PURGE_SECONDS."""
    monkeypatch.setattr(coordinator, "PURGE_SECONDS", 0.05)
    async with running(tmp_path, recovery_window_seconds=0) as app:
        job = await jobs.make(app, provider="external")
        await accepted(app, "deleteScene", sceneId=job.scenes[0])

        async def is_purged() -> bool:
            return (await rows(app, job.id))[:3] == [1, 0, 0]

        await eventually(is_purged)


async def test_concurrent_purges_remove_each_job_once(app: App, folder: Path) -> None:
    """Several processes may run it at the same time."""
    many = [await jobs.make(app) for _ in range(6)]
    for each in many:
        await delete(app, each.id)
    await asyncio.gather(*(run(app) for _ in range(3)))
    assert [await rows(app, each.id) for each in many] == [[0, 0, 0, 0]] * 6
    assert [await discarded(app, each.id) for each in many] == [[]] * 6
