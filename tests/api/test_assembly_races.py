"""Joining a job's clips beside changes and crashes: no stale video is recorded, and no file is left behind."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from coordinator.queue.port import Queue
from coordinator.renders import assembly, reconciler
from models.db.tables import DISCARDED_MEDIA
from models.writes.change import Assembly
from models.writes.store import Store
from providers.joining.joiner import JoinedVideo
from providers.joining.wire import Clip
from providers.port import Asset
from tests.support import jobs
from tests.support.client import Json
from tests.support.clip_provider import ClipProvider, clip
from tests.support.factories import accepted
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEVER_SECONDS = 3600.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server whose provider makes the clips that a test describes."""
    async with running(tmp_path_factory.mktemp("assembly"), {"scripted": ClipProvider()}) as app:
        yield app


async def marked(app: App, job_id: str) -> list[str]:
    """The stored files of a job that are marked for deletion."""
    async with app.container.store.read() as connection:
        keys = await connection.execute(
            sa.select(DISCARDED_MEDIA.c.key).where(DISCARDED_MEDIA.c.key.startswith(job_id))
        )
        return list(keys.scalars())


async def test_video_of_an_older_composition_is_not_recorded(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenes are reordered while their clips are joined, and the periodic check does not notice in time."""
    monkeypatch.setattr(assembly, "FENCE_SECONDS", NEVER_SECONDS)
    join, store = app.container.coordinator.assemblies.join, app.container.media.store
    joining, may_finish, may_join_again = asyncio.Event(), asyncio.Event(), asyncio.Event()
    stored = asyncio.Event()
    joined = 0

    async def slow_join(clips: Sequence[Clip], folder: Path, most_cpu_seconds: float) -> JoinedVideo:
        nonlocal joined
        joined += 1
        if joined > 1:
            await may_join_again.wait()
            return await join(clips, folder, most_cpu_seconds)
        video = await join(clips, folder, most_cpu_seconds)
        joining.set()
        await may_finish.wait()
        return video

    async def noting_store(key: str, asset: Asset) -> Json:
        try:
            return await store(key, asset)
        finally:
            if "/cut_" in key:
                stored.set()

    monkeypatch.setattr(app.container.coordinator.assemblies, "join", slow_join)
    monkeypatch.setattr(app.container.media, "store", noting_store)
    made = await jobs.make(app, clip("red"), clip("blue"), start=True)
    await joining.wait()
    await accepted(app, "moveScene", sceneId=made.scenes[1], position=0)
    may_finish.set()
    await stored.wait()
    # Recording follows at once, in a change of the job; this one waits for its turn behind it.
    await asyncio.sleep(0.2)
    await jobs.retitle(app, made.id, "Renamed")
    assert (await jobs.job(app, made.id, "output { url }"))["output"] is None
    may_join_again.set()
    await jobs.at_rest(app, made.id)
    events = await jobs.log(app, made.id, "type changed")
    assert [event["type"] for event in events if event["changed"] == ["output"]] == ["JOB_UPDATED"]
    assert joined == 2


async def test_video_of_a_composition_that_changes_before_the_commit_is_not_recorded(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scenes are reordered after the last check of the finished video: the change that records it checks too."""
    assemblies = app.container.coordinator.assemblies
    while_current = getattr(assemblies, "_while_current")  # noqa: B009 # private: the instant between check and change
    made = await jobs.make(app, clip("red"), clip("blue"))
    versions = list[int]()

    async def reordered_after_the_check(made_for: Assembly, work: Coroutine[Any, Any, Json]) -> Json:
        output = await while_current(made_for, work)
        versions.append(made_for.composition_version)
        if len(versions) == 1:
            await accepted(app, "moveScene", sceneId=made.scenes[1], position=0)
        return output

    monkeypatch.setattr(assemblies, "_while_current", reordered_after_the_check)
    await accepted(app, "startJob", jobId=made.id)
    await jobs.at_rest(app, made.id)
    events = await jobs.log(app, made.id, "type changed")
    recorded = [event for event in events if event["changed"] == ["output"]]
    assert len(recorded) == 1
    assert events[-1] == recorded[0]
    first, second = versions
    assert second > first
    output = (await jobs.job(app, made.id, "output { url }"))["output"]
    assert f"/cut_{second}_" in output["url"]


async def test_video_is_marked_for_deletion_until_it_is_recorded(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies between storing and recording a video leaves a file that the purge finds."""
    store, before_storing = app.container.media.store, list[list[str]]()

    async def noting_store(key: str, asset: Asset) -> Json:
        if "/cut_" in key:
            before_storing.append(await marked(app, key.partition("/")[0]))
        return await store(key, asset)

    monkeypatch.setattr(app.container.media, "store", noting_store)
    made = await jobs.make(app, clip("red"), start=True)
    await jobs.at_rest(app, made.id)
    (url,) = [(await jobs.job(app, made.id, "output { url }"))["output"]["url"]]
    assert before_storing == [[url.partition("/media/")[2]]]

    async def unmarked() -> bool:
        return await marked(app, made.id) == []

    await eventually(unmarked)


async def test_restored_job_gets_the_video_whose_assembly_its_deletion_stopped(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restore schedules the assembly; the reconciler, which would do so a minute later, is switched off."""
    join = app.container.coordinator.assemblies.join
    joining, stopped = asyncio.Event(), asyncio.Event()

    async def endless_once(clips: Sequence[Clip], folder: Path, most_cpu_seconds: float) -> JoinedVideo:
        if joining.is_set():
            return await join(clips, folder, most_cpu_seconds)
        joining.set()
        try:
            return await asyncio.Future()
        finally:
            stopped.set()

    async def reconcile_nothing(_store: Store, _queue: Queue) -> None:
        """Enqueue nothing."""

    monkeypatch.setattr(app.container.coordinator.assemblies, "join", endless_once)
    monkeypatch.setattr(reconciler, "reconcile", reconcile_nothing)
    made = await jobs.make(app, clip("red"), start=True)
    await joining.wait()
    await accepted(app, "deleteJob", jobId=made.id)
    await stopped.wait()
    await accepted(app, "restoreJob", jobId=made.id)
    await jobs.at_rest(app, made.id)
    assert (await jobs.job(app, made.id, "output { url }"))["output"] is not None
