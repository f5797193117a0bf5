"""The purge: what is past its recovery goes for good, rows and files, whatever happens meanwhile; nothing else goes."""

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
from models.db.tables import DISCARDED_MEDIA, EVENT, JOB, SCENE, TAKE
from models.writes import media_gc
from models.writes.store import now
from tests.api.test_assembled_video import joined
from tests.support import jobs
from tests.support.clip_provider import ClipProvider, clip
from tests.support.factories import accepted
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

NOTHING = timedelta(0)
PAST = timedelta(seconds=-1)


class Crash(BaseException):
    """The process is no more."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its data."""
    return tmp_path_factory.mktemp("purge")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, folder: Path) -> AsyncGenerator[App]:
    """A server on which a deleted scene cannot be restored for a moment."""
    async with running(folder, {"scripted": ClipProvider()}, recovery_window_seconds=0) as app:
        yield app


async def made(app: App) -> jobs.Made:
    """Make a job of two clips, joined."""
    made = await jobs.make(app, clip("red"), clip("blue"), start=True)
    await joined(app, made.id)
    return made


async def delete(app: App, job_id: str, recoverable: timedelta = PAST) -> None:
    """Delete a job, recoverable for so long from now."""
    values = {"deleted_at": now(), "purge_after": now() + recoverable}
    async with app.container.store.write() as connection:
        await connection.execute(sa.update(JOB).where(JOB.c.id == job_id).values(values))


async def run(app: App, grace: timedelta = NOTHING) -> None:
    """Purge now."""
    await purge.purge(app.container.store, app.container.media, app.container.bus, grace)


async def rows(app: App, job_id: str) -> list[int]:
    """How many jobs, scenes, takes and events there are of a job."""
    columns = [JOB.c.id, SCENE.c.job_id, TAKE.c.job_id, EVENT.c.job_id]
    async with app.container.store.read() as connection:
        counted = [await connection.execute(sa.select(sa.func.count()).where(column == job_id)) for column in columns]
    return [result.scalar_one() for result in counted]


async def notes(app: App, job_id: str) -> list[str]:
    """What is noted as discarded of a job."""
    async with app.container.store.read() as connection:
        query = sa.select(DISCARDED_MEDIA.c.key).where(DISCARDED_MEDIA.c.key.startswith(job_id, autoescape=True))
        return sorted((await connection.execute(query)).scalars())


def files(folder: Path, job_id: str) -> list[Path]:
    """The videos that are kept of a job."""
    return list((folder / "media" / job_id).rglob("*.mp4"))


class TestAJob:
    """Deleted, and past its time."""

    async def test_it_goes_with_all_it_has(self, app: App, folder: Path) -> None:
        """Its scenes, takes, events and files; another job stays whole."""
        gone, stays = await made(app), await made(app)
        before = await rows(app, stays.id)
        await delete(app, gone.id)
        await run(app)
        assert await rows(app, gone.id) == [0, 0, 0, 0]
        assert not (folder / "media" / gone.id).exists()
        assert await notes(app, gone.id) == []
        assert await rows(app, stays.id) == before
        assert len(files(folder, stays.id)) == 3
        found = await app.execute("query($id: ID!) { job(id: $id) { id } node(id: $id) { id } }", id=gone.id)
        assert found == {"job": None, "node": None}

    async def test_its_files_stay_a_while_longer(self, app: App, folder: Path) -> None:
        """For who is just watching them."""
        gone = await made(app)
        await delete(app, gone.id)
        await run(app, timedelta(hours=1))
        assert await rows(app, gone.id) == [0, 0, 0, 0]
        assert len(files(folder, gone.id)) == 3
        assert await notes(app, gone.id) == [f"{gone.id}/"]

    async def test_its_streams_end(self, app: App) -> None:
        """All of them, by themselves."""
        gone = await made(app)
        await delete(app, gone.id)
        async with (
            app.subscribe("subscription($id: ID!) { jobEvents(jobId: $id) { __typename } }", id=gone.id) as events,
            app.subscribe("subscription($id: ID!) { jobProgress(jobId: $id) { total } }", id=gone.id) as progress,
            app.subscribe("subscription($id: ID!) { sceneUpdated(sceneId: $id) { id } }", id=gone.scenes[0]) as scene,
        ):
            for stream in (events, progress, scene):
                await stream.next()
            await run(app)
            for stream in (events, progress, scene):
                await stream.rest()

    async def test_not_before_its_time(self, app: App) -> None:
        """Nor when it is not deleted."""
        recoverable, live = await made(app), await made(app)
        await delete(app, recoverable.id, timedelta(hours=1))
        before = [await rows(app, each.id) for each in (recoverable, live)]
        await run(app)
        assert [await rows(app, each.id) for each in (recoverable, live)] == before

    async def test_in_batches(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many there are, each transaction is short, and all go."""
        monkeypatch.setattr(purge, "JOBS_AT_ONCE", 2)
        monkeypatch.setattr(purge, "FILES_AT_ONCE", 2)
        many = [await jobs.make(app) for _ in range(5)]
        for each in many:
            await delete(app, each.id)
        assert len(await purge.remove_jobs(app.container.store)) == 2
        await run(app)
        assert [await rows(app, each.id) for each in many] == [[0, 0, 0, 0]] * 5
        assert [await notes(app, each.id) for each in many] == [[]] * 5


class TestAScene:
    """Deleted from a job that lives on."""

    async def test_it_goes_with_its_takes_and_files(self, app: App, folder: Path) -> None:
        """And so does the video that showed it; the other scene and the new video stay."""
        job = await made(app)
        old = (await jobs.job(app, job.id, "output { url }"))["output"]["url"]
        await accepted(app, "deleteScene", sceneId=job.scenes[0])
        await joined(app, job.id)
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

    async def test_its_stream_ends(self, app: App) -> None:
        """There is nothing to tell any more."""
        job = await made(app)
        document = "subscription($id: ID!) { sceneUpdated(sceneId: $id) { id deletedAt } }"
        async with app.subscribe(document, id=job.scenes[0]) as stream:
            await stream.next()
            await accepted(app, "deleteScene", sceneId=job.scenes[0])
            await run(app)
            await stream.rest()

    async def test_leaves_no_gap(self, app: App) -> None:
        """What was deleted after it is restored between the scenes that it was between."""
        made = await jobs.make(app, *[clip(color) for color in ("red", "blue", "green", "white")], start=False)
        first, gone, back, last = made.scenes
        for scene_id in (gone, back):
            await accepted(app, "deleteScene", sceneId=scene_id)
        later = sa.update(SCENE).where(SCENE.c.id == back).values(purge_after=now() + timedelta(hours=1))
        async with app.container.store.write() as connection:
            await connection.execute(later)
        await run(app)
        restored = await accepted(app, "restoreScene", "job { scenes { nodes { id } } }", sceneId=back)
        assert [scene["id"] for scene in restored["job"]["scenes"]["nodes"]] == [first, back, last]


class TestACrash:
    """At whatever instant: the next run finishes what was begun."""

    async def test_before_the_commit(self, app: App, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing has happened."""
        gone = await made(app)
        before = await rows(app, gone.id)
        await delete(app, gone.id)
        await self._crashes(run(app), monkeypatch, media_gc, "mark")
        assert await rows(app, gone.id) == before
        assert await notes(app, gone.id) == []
        await self._finishes(app, folder, gone)

    async def test_after_the_rows(self, app: App, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is known which files are left."""
        gone = await made(app)
        await delete(app, gone.id)
        await self._crashes(run(app), monkeypatch, app.container.media, "delete")
        assert await rows(app, gone.id) == [0, 0, 0, 0]
        assert await notes(app, gone.id) == [f"{gone.id}/"]
        await self._finishes(app, folder, gone)

    async def test_after_the_files(self, app: App, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """They are deleted again, which is no error."""
        gone = await made(app)
        await delete(app, gone.id)
        await purge.remove_jobs(app.container.store)
        deleting = purge.delete_files(app.container.store, app.container.media, NOTHING)
        await self._crashes(deleting, monkeypatch, media_gc, "unmark")
        assert not (folder / "media" / gone.id).exists()
        assert await notes(app, gone.id) == [f"{gone.id}/"]
        await self._finishes(app, folder, gone)

    async def _crashes(
        self, work: Coroutine[Any, Any, object], monkeypatch: pytest.MonkeyPatch, place: Any, name: str
    ) -> None:
        def crash(*_: object) -> None:
            raise Crash

        with monkeypatch.context() as patch:
            patch.setattr(place, name, crash)
            with pytest.raises(Crash):
                await work

    async def _finishes(self, app: App, folder: Path, gone: jobs.Made) -> None:
        await run(app)
        assert await rows(app, gone.id) == [0, 0, 0, 0]
        assert await notes(app, gone.id) == []
        assert not (folder / "media" / gone.id).exists()


async def test_what_is_in_use_stays(app: App, folder: Path) -> None:
    """Whatever was noted by mistake."""
    job = await made(app)
    document = "output { url } scenes { nodes { output { url } } }"
    told = await jobs.job(app, job.id, document)
    urls = [told["output"]["url"], *(scene["output"]["url"] for scene in told["scenes"]["nodes"])]
    keys = [url.removeprefix("http://scenewire.test/media/") for url in urls]
    async with app.container.store.write() as connection:
        await media_gc.mark(connection, [f"{job.id}/", f"{job.id}/{job.scenes[0]}/", *keys], now())
    await run(app)
    assert len(files(folder, job.id)) == 3
    assert await notes(app, job.id) == []


async def test_a_file_that_cannot_be_deleted_holds_up_no_other(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again later."""
    stuck, gone = f"{(await jobs.make(app)).id}/stuck.mp4", f"{(await jobs.make(app)).id}/gone.mp4"
    async with app.container.store.write() as connection:
        await media_gc.mark(connection, [stuck, gone], now() - timedelta(hours=2))
    real = app.container.media.delete

    async def fails(key: str) -> None:
        if key == stuck:
            raise OSError("busy")
        await real(key)

    with monkeypatch.context() as patch:
        patch.setattr(app.container.media, "delete", fails)
        await run(app, timedelta(hours=1))
    assert (await notes(app, stuck), await notes(app, gone)) == ([stuck], [])
    await run(app)
    assert await notes(app, stuck) == []


async def test_it_runs_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From time to time, without being asked."""
    monkeypatch.setattr(coordinator, "PURGE_SECONDS", 0.05)
    async with running(tmp_path, recovery_window_seconds=0) as app:
        job = await jobs.make(app, provider="external")
        await accepted(app, "deleteScene", sceneId=job.scenes[0])

        async def is_gone() -> bool:
            return (await rows(app, job.id))[:3] == [1, 0, 0]

        await eventually(is_gone)


async def test_several_processes_may_do_it_at_once(app: App, folder: Path) -> None:
    """Each thing is removed, by whoever comes first."""
    many = [await jobs.make(app) for _ in range(6)]
    for each in many:
        await delete(app, each.id)
    await asyncio.gather(*(run(app) for _ in range(3)))
    assert [await rows(app, each.id) for each in many] == [[0, 0, 0, 0]] * 6
    assert [await notes(app, each.id) for each in many] == [[]] * 6
