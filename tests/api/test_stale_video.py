"""The assembled video is removed and made again when the composition of its job changes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from providers.joining import joiner
from providers.joining.joiner import JoinedVideo
from providers.joining.wire import Clip
from tests.support import jobs
from tests.support.assembled_video import JOB_WITH_VIDEO, job_with_video, video_bytes, video_colors, wait_for_video
from tests.support.clip_provider import ClipProvider, clip
from tests.support.factories import accepted
from tests.support.queries import changes
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.thorough_on_postgres]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server whose provider makes the clips that a test describes."""
    async with running(tmp_path_factory.mktemp("video"), {"scripted": ClipProvider()}) as app:
        yield app


@pytest.mark.both_databases
class TestStaleVideo:
    """A change of the composition removes the video at once and starts a new assembly."""

    async def test_move_of_a_scene_makes_the_video_stale(self, app: App) -> None:
        """The event names the removed output; the old file is served for a while."""
        made = await job_with_video(app, "red", "lime", "blue")
        before = await jobs.job(app, made.id, JOB_WITH_VIDEO)
        payload = await accepted(app, "moveScene", f"job {{ {JOB_WITH_VIDEO} }}", sceneId=made.scenes[2], position=0)
        assert payload["job"]["output"] is None
        assert payload["job"]["progress"] == {"currentStage": "ASSEMBLING", "percentage": 100}
        after = await wait_for_video(app, made.id)
        assert await video_colors(app, after) == ["blue", "red", "green"]
        assert await changes(app, made.id, before["version"]) == [
            ("SCENES_REORDERED", ["position", "output"]),
            ("JOB_UPDATED", ["output"]),
        ]
        # The old file is served for a while to clients that are playing it.
        await video_bytes(app, before)

    @pytest.mark.sqlite_alone
    async def test_delete_of_a_scene_makes_the_video_stale(self, app: App) -> None:
        """The new video does not have the deleted clip."""
        made = await job_with_video(app, "red", "lime", "blue")
        await accepted(app, "deleteScene", sceneId=made.scenes[1])
        assert await video_colors(app, await wait_for_video(app, made.id)) == ["red", "blue"]

    @pytest.mark.sqlite_alone
    async def test_regenerate_makes_the_video_stale(self, app: App) -> None:
        """There is no video until the new take is completed."""
        made = await job_with_video(app, "red", "blue")
        payload = await accepted(app, "regenerateScene", f"job {{ {JOB_WITH_VIDEO} }}", sceneId=made.scenes[0])
        assert (payload["job"]["status"], payload["job"]["output"]) == ("PROCESSING", None)
        assert await video_colors(app, await wait_for_video(app, made.id)) == ["yellow", "blue"]

    @pytest.mark.sqlite_alone
    async def test_new_scene_makes_the_video_stale(self, app: App) -> None:
        """The new clip is joined too."""
        made = await job_with_video(app, "red")
        await accepted(app, "addScene", jobId=made.id, scene=clip("blue"), position=0)
        assert await video_colors(app, await wait_for_video(app, made.id)) == ["blue", "red"]

    @pytest.mark.sqlite_alone
    async def test_edit_of_titles_keeps_the_video(self, app: App) -> None:
        """Also a move of a scene to its own position."""
        made = await job_with_video(app, "red", "blue")
        before = await jobs.job(app, made.id, JOB_WITH_VIDEO)
        await jobs.retitle(app, made.id, "Another title")
        await accepted(app, "moveScene", sceneId=made.scenes[0], position=0)
        await accepted(app, "updateScene", sceneId=made.scenes[0], title="A title")
        assert (await jobs.job(app, made.id, JOB_WITH_VIDEO))["output"] == before["output"]

    async def test_move_of_a_scene_stops_the_assembly_of_a_stale_video(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The old composition changes nothing."""
        started, stopped = asyncio.Event(), asyncio.Event()

        async def slow_join(clips: Sequence[Clip], folder: Path, most_cpu_seconds: float) -> JoinedVideo:
            if started.is_set():
                return await joiner.join(clips, folder, most_cpu_seconds)
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
            raise AssertionError

        monkeypatch.setattr(app.container.coordinator.assemblies, "join", slow_join)
        made = await jobs.make(app, clip("red"), clip("blue"), start=True)
        await started.wait()
        await accepted(app, "moveScene", sceneId=made.scenes[0], position=1)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await stopped.wait()
        assert await video_colors(app, await wait_for_video(app, made.id)) == ["blue", "red"]
        log = [event["type"] for event in await jobs.log(app, made.id)]
        assert log.count("JOB_UPDATED") == 1
