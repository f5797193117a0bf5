"""Clips of workers outside the server are fetched, looked at, kept and joined when a report asks for it."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from coordinator.commands import adoption
from coordinator.commands.adoption import AdoptionPolicy
from models.domain.lifecycle import SceneStatus
from models.domain.rules import Problems
from tests.support import jobs
from tests.support.adopting import SCENE, a_started_job, deliver, settled_scene
from tests.support.assembled_video import wait_for_video
from tests.support.client import Json
from tests.support.clip_host import Gate, Host, delivered
from tests.support.factories import accepted, report
from tests.support.inspected import served
from tests.support.queries import changes, read_scene
from tests.support.rest_calls import data, place
from tests.support.scene_rows import scene_row
from tests.support.server_app import App, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases, pytest.mark.thorough_on_postgres]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server of the file."""
    async with running(tmp_path_factory.mktemp("adopting")) as app:
        yield app


class TestAdoption:
    """Clips that can be shown."""

    @pytest.mark.sqlite_alone
    async def test_adopted_clips_have_pictures_and_are_joined(self, app: App, host: Host, clip: bytes) -> None:
        """Of all scenes of a job; nothing refers to the worker's host any more."""
        host.files["/kite.mp4"] = delivered(clip, "application/octet-stream")
        made = await a_started_job(app, 2)
        before = await jobs.job(app, made.id, "version")
        for number, scene_id in enumerate(made.scenes):
            await report(app, scene_id, "PROCESSING", providerId=f"p{number}", percentage=40)
            await deliver(app, scene_id, outputUrl=host.url("/kite.mp4"), takeNumber=1)
        job = await wait_for_video(app, made.id)
        assert (job["status"], job["outputFailure"]) == ("COMPLETED", None)
        assert job["output"]["durationSeconds"] == pytest.approx(2.0, abs=0.2)
        for number, scene_id in enumerate(made.scenes):
            scene = await read_scene(app, scene_id, SCENE)
            assert (scene["status"], scene["percentage"], scene["attempts"]) == ("COMPLETED", 100, 1)
            assert scene["providerId"] == f"p{number}"
            assert (await served(app, scene["output"])).content == clip
            assert scene["output"]["durationSeconds"] == pytest.approx(1.0, abs=0.1)
            for name in ("poster", "preview"):
                assert (await served(app, scene[name])).headers["content-type"] == "image/webp"
        log = await changes(app, made.id, before["version"])
        assert [kind for kind, _ in log].count("SCENE_COMPLETED") == 2
        assert host.asked == ["/kite.mp4"] * 2

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize("way", ["processing", "at once", "batch", "rest", "later"])
    async def test_adoption_is_asked_for_by_any_report(self, app: App, host: Host, clip: bytes, way: str) -> None:
        """With PROCESSING, as the only report, in a batch, in REST, and for an address that was reported before."""
        host.files["/clip"] = delivered(clip)
        made = await a_started_job(app)
        (scene_id,), url = made.scenes, host.url("/clip")
        match way:
            case "processing":
                await deliver(app, scene_id, status="PROCESSING", outputUrl=url)
            case "at once":
                await deliver(app, scene_id, outputUrl=url)
            case "batch":
                item = {"sceneId": scene_id, "status": "COMPLETED", "outputUrl": url, "adoptOutput": True}
                await accepted(app, "updateScenes", "results { errors { code } }", jobId=made.id, scenes=[item])
            case "rest":
                answer = await data(app, "PUT", *place(made), status="completed", video_url=url, adopt_output=True)
                assert answer["status"] == "processing"
            case _:
                await report(app, scene_id, "PROCESSING", outputUrl=url)
                await deliver(app, scene_id)
        scene = await settled_scene(app, made)
        assert (scene["status"], scene["attempts"]) == ("COMPLETED", 1)
        assert (await served(app, scene["output"])).content == clip

    async def test_scene_is_processing_while_its_clip_is_fetched(self, app: App, host: Host, clip: bytes) -> None:
        """At 99 %. Repeated reports change nothing, and another address is refused."""
        gate = host.files["/clip"] = Gate(delivered(clip))
        made = await a_started_job(app)
        url = host.url("/clip")
        await report(app, made.scenes[0], "PROCESSING", providerId="w1", percentage=70)
        await deliver(app, made.scenes[0], outputUrl=url)
        await host.receiver.count(1)
        fetching = await read_scene(app, made.scenes[0], SCENE)
        assert (fetching["status"], fetching["percentage"], fetching["output"]["url"]) == ("PROCESSING", 99, url)
        progress = (await jobs.job(app, made.id, "progress { percentage currentStage }"))["progress"]
        assert progress["percentage"] == pytest.approx(99)
        version = await jobs.job(app, made.id, "version")
        repeated: list[Json] = [
            {"status": "COMPLETED", "outputUrl": url, "adoptOutput": True},
            {"status": "COMPLETED", "percentage": 100},
            {"status": "PROCESSING", "percentage": 80, "providerId": "w1"},
        ]
        for again in repeated:
            await accepted(app, "updateScene", sceneId=made.scenes[0], **again)
        payload = await app.mutate(
            "updateScene",
            "errors { code path }",
            sceneId=made.scenes[0],
            status="COMPLETED",
            adoptOutput=True,
            outputUrl=host.url("/another"),
        )
        assert payload["errors"] == [{"code": "VALIDATION_FAILED", "path": ["input", "outputUrl"]}]
        assert await read_scene(app, made.scenes[0], SCENE) == fetching
        assert await jobs.job(app, made.id, "version") == version
        gate.opened.set()
        assert (await settled_scene(app, made))["status"] == "COMPLETED"
        done = await jobs.at_rest(app, made.id)
        # The answer was lost: the worker reports again.
        await deliver(app, made.scenes[0], outputUrl=url)
        assert await jobs.job(app, made.id, "version") == {"version": done}
        assert host.asked == ["/clip"]

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize("end", ["cancelScene", "FAILED", "COMPLETED"])
    async def test_adoption_ends_when_the_scene_is_decided_otherwise(
        self, app: App, host: Host, clip: bytes, end: str
    ) -> None:
        """Canceled by its owner, failed by the worker, or completed with the link alone; the download is broken off."""
        gate = host.files["/clip"] = Gate(delivered(clip))
        made = await a_started_job(app)
        url = host.url("/clip")
        await deliver(app, made.scenes[0], outputUrl=url)
        await host.receiver.count(1)
        if end == "cancelScene":
            await accepted(app, "cancelScene", sceneId=made.scenes[0])
        else:
            more: Json = {"adoptOutput": False} if end == "COMPLETED" else {}
            await accepted(app, "updateScene", sceneId=made.scenes[0], status=end, **more)
        await eventually(lambda: not host.receiver.open_connections)
        gate.opened.set()
        scene = await settled_scene(app, made)
        assert scene["status"] == {"cancelScene": "CANCELED"}.get(end, end)
        assert scene["output"]["url"] == url
        assert scene["poster"] is None

    @pytest.mark.sqlite_alone
    async def test_setting_adopts_completed_clips_unless_a_report_says_otherwise(
        self, tmp_path: Path, host: Host, clip: bytes
    ) -> None:
        """Not an address that is reported while the worker goes on, and not without an address."""
        host.files["/clip"] = delivered(clip)
        async with running(tmp_path, adopt_outputs=True) as app:
            made = await a_started_job(app, 3)
            first, second, third = made.scenes
            await report(app, first, "PROCESSING", outputUrl=host.url("/clip"))
            assert (await read_scene(app, first, "percentage"))["percentage"] is None
            await report(app, first, "COMPLETED")
            await report(app, second, "COMPLETED", outputUrl=host.url("/clip"), adoptOutput=False)
            await report(app, third, "COMPLETED")
            await jobs.settled(app, made.id)
            scenes = [await read_scene(app, scene_id, SCENE) for scene_id in made.scenes]
        assert [scene["status"] for scene in scenes] == ["COMPLETED"] * 3
        assert scenes[0]["poster"] is not None
        assert (scenes[1]["output"]["url"], scenes[1]["poster"]) == (host.url("/clip"), None)
        assert scenes[2]["output"] is None

    async def test_interrupted_adoption_goes_on_after_a_restart(self, tmp_path: Path, host: Host, clip: bytes) -> None:
        """The server stopped while the host was silent: the same take completes, once."""
        host.files["/clip"] = Gate(delivered(clip))
        async with running(tmp_path) as app:
            made = await a_started_job(app)
            await deliver(app, made.scenes[0], outputUrl=host.url("/clip"))
            await host.receiver.count(1)
        host.files["/clip"] = delivered(clip)
        async with running(tmp_path) as app:
            scene = await settled_scene(app, made)
            log = await changes(app, made.id, 0)
        assert (scene["status"], scene["attempts"], len(scene["takes"])) == ("COMPLETED", 1, 1)
        assert [kind for kind, _ in log].count("SCENE_COMPLETED") == 1


class TestRefusals:
    """Reports that cannot be followed."""

    @pytest.mark.sqlite_alone
    @pytest.mark.parametrize(
        "fields",
        [
            {"status": "COMPLETED"},
            {"status": "PROCESSING"},
            {"status": "COMPLETED", "outputUrl": None},
            {"status": "FAILED"},
            {"status": "CANCELED"},
            {"status": "PENDING"},
        ],
    )
    async def test_wish_without_a_clip_is_refused(self, app: App, fields: Json) -> None:
        """There is no address, or the status is not that of a clip; nothing changes."""
        made = await a_started_job(app)
        payload = await app.mutate(
            "updateScene", "errors { code path }", sceneId=made.scenes[0], adoptOutput=True, **fields
        )
        assert payload["errors"] == [{"code": "VALIDATION_FAILED", "path": ["input", "adoptOutput"]}]
        assert (await read_scene(app, made.scenes[0], "status version"))["status"] == "PENDING"
        assert await jobs.job(app, made.id, "version") == {"version": made.version}

    @pytest.mark.sqlite_alone
    async def test_wish_for_a_finished_take_is_refused(self, app: App, host: Host) -> None:
        """Of which nothing but the address was kept."""
        made = await a_started_job(app)
        await report(app, made.scenes[0], "COMPLETED", outputUrl=host.url("/clip"))
        payload = await app.mutate("updateScene", "errors { code path }", sceneId=made.scenes[0], adoptOutput=True)
        assert payload["errors"] == [{"code": "VALIDATION_FAILED", "path": ["input", "adoptOutput"]}]
        assert host.asked == []

    @pytest.mark.sqlite_alone
    async def test_wish_for_a_render_of_ours_is_refused(self, app: App, host: Host) -> None:
        """Our own workers store their clips anyway."""
        made = await jobs.make(app)
        payload = await app.mutate(
            "updateScene",
            "errors { code path }",
            sceneId=made.scenes[0],
            adoptOutput=True,
            status="COMPLETED",
            outputUrl=host.url("/clip"),
        )
        assert payload["errors"] == [{"code": "VALIDATION_FAILED", "path": ["input", "adoptOutput"]}]

    async def test_http_address_is_refused_where_only_https_is_fetched(self) -> None:
        """In production, by a wish and by the setting; a report without either may name it."""
        row = scene_row("s", provider="external", status=SceneStatus.PENDING, take_number=1)
        found: list[list[list[str]]] = []
        for policy, wish in ((AdoptionPolicy(), True), (AdoptionPolicy(always=True), None), (AdoptionPolicy(), None)):
            problems = Problems()
            url = "http://clips.test/kite.mp4"
            edit: Any = {"output_url": url, "adopt_output": wish}
            adoption.check(problems, row, SceneStatus.COMPLETED, edit, policy, ["input"])
            found.append([list(problem.path or ()) for problem in problems.found])
        assert found == [[["input", "outputUrl"]], [["input", "outputUrl"]], []]
