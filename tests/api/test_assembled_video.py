"""The assembled video: joined when every live scene is completed."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from coordinator.renders import assembly
from providers.joining import joiner
from providers.joining.joiner import JoinedVideo
from providers.joining.wire import Clip
from providers.port import Failure
from tests.support import jobs
from tests.support.assembled_video import (
    JOB_WITH_VIDEO,
    ORIGIN,
    job_with_video,
    video_bytes,
    video_colors,
    wait_for_video,
)
from tests.support.client import Client, Json
from tests.support.clip_provider import ClipProvider, clip
from tests.support.factories import a_job_of, accepted, report
from tests.support.media_files import boxes
from tests.support.os_processes import children_of, command_line, on_linux, runs
from tests.support.queries import changes
from tests.support.server_app import App, running
from tests.support.server_process import ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.thorough_on_postgres]

STAGES = "subscription($id: ID!) { jobProgress(jobId: $id, minIntervalMs: 0) { currentStage percentage stageLabel } }"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the server."""
    return tmp_path_factory.mktemp("video")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, folder: Path) -> AsyncGenerator[App]:
    """A server whose provider makes the clips that a test describes."""
    async with running(folder, {"scripted": ClipProvider()}) as app:
        yield app


def stored_clip(folder: Path, made: jobs.Made, scene: int) -> Path:
    """Return the file of a scene's only clip."""
    (clip,) = (folder / "media" / made.id / made.scenes[scene]).glob("*.mp4")
    return clip


class TestAssembly:
    """When every live scene is completed."""

    async def test_video_joins_the_clips_in_play_order(self, app: App) -> None:
        """It plays, it starts before it is fully loaded, and its duration and size are returned."""
        made = await jobs.make(app, clip("red"), clip("lime"), clip("blue"), start=True)
        job = await wait_for_video(app, made.id)
        video = await video_bytes(app, job)
        output = job["output"]
        assert output["url"].startswith(f"{ORIGIN}/media/{made.id}/cut_")
        assert output == {
            "url": output["url"],
            "contentType": "video/mp4",
            "sizeBytes": len(video),
            "width": 320,
            "height": 180,
            "durationSeconds": 1.5,
            "expiresAt": None,
        }
        assert boxes(video)[:2] == ["ftyp", "moov"]
        assert await video_colors(app, job) == ["red", "green", "blue"]
        assert job["outputFailure"] is None

    async def test_video_of_clips_with_different_formats_is_encoded(self, app: App) -> None:
        """Another size, frame rate, codec or audio track."""
        others = [clip("lime", width=200, rate=15, tone=300), clip("blue", codec="libvpx", container="webm")]
        job = await wait_for_video(app, (await jobs.make(app, clip("red"), *others, start=True)).id)
        assert await video_colors(app, job) == ["red", "green", "blue"]
        assert job["output"]["durationSeconds"] == pytest.approx(1.5, abs=0.1)

    async def test_video_lists_what_was_done_to_its_clips(self, app: App) -> None:
        """With the scenes concerned; nothing while there is no video, and when the packets were copied."""
        fields = "outputAdjustments { code sceneIds message }"
        made = await jobs.make(app, clip("red"), clip("lime", width=200), clip("blue"))
        assert (await jobs.job(app, made.id, fields))["outputAdjustments"] == []
        await accepted(app, "startJob", jobId=made.id)
        await wait_for_video(app, made.id)
        done = (await jobs.job(app, made.id, fields))["outputAdjustments"]
        assert [(each["code"], each["sceneIds"]) for each in done] == [("ENCODED", []), ("RESIZED", [made.scenes[1]])]
        assert "320x180" in done[1]["message"]
        await accepted(app, "deleteScene", sceneId=made.scenes[1])
        await wait_for_video(app, made.id)
        assert (await jobs.job(app, made.id, fields))["outputAdjustments"] == []

    async def test_assembly_of_the_video_is_a_stage_of_the_progress(self, app: App) -> None:
        """Between the last scene and DONE, with a percentage of 100."""
        made = await jobs.make(app, clip())
        seen: list[tuple[str, float]] = []
        async with app.subscribe(STAGES, id=made.id) as stream:
            await accepted(app, "startJob", jobId=made.id)
            while not seen or seen[-1][0] != "DONE":
                reading = (await stream.next())["jobProgress"]
                seen.append((reading["currentStage"], reading["percentage"]))
        assert seen[-2:] == [("ASSEMBLING", 100), ("DONE", 100)], seen

    async def test_video_is_an_event_after_the_job_has_settled(self, app: App) -> None:
        """A stream that ends when the job settles does not wait for it."""
        made = await jobs.make(app, clip())
        document = "subscription($id: ID!) { jobEvents(jobId: $id) { ... on JobEvent { type changed actorId } } }"
        async with app.subscribe(document, id=made.id) as stream:
            await accepted(app, "startJob", jobId=made.id)
            events = [await stream.next()]
            while events[-1]["jobEvents"].get("type") != "JOB_UPDATED":
                events.append(await stream.next())
        settled, updated = (event["jobEvents"] for event in events[-2:])
        assert settled == {"type": "JOB_SETTLED", "changed": ["status", "finishedAt"], "actorId": None}
        assert updated == {"type": "JOB_UPDATED", "changed": ["output"], "actorId": None}

    async def test_video_is_sent_to_dashboards(self, app: App) -> None:
        """Like any other change."""
        made = await jobs.make(app, clip())
        async with app.subscribe("subscription { jobsUpdated { id output { url } } }") as stream:
            await accepted(app, "startJob", jobId=made.id)
            while (await stream.next())["jobsUpdated"]["output"] is None:
                pass

    async def test_assembly_of_the_video_is_sent_to_subscribers_of_one_scene(self, app: App) -> None:
        """The stage of the job is part of their selection."""
        made = await jobs.make(app, clip())
        document = "subscription($id: ID!) { sceneUpdated(sceneId: $id) { job { progress { currentStage } } } }"
        async with app.subscribe(document, id=made.scenes[0]) as stream:
            await accepted(app, "startJob", jobId=made.id)
            while (await stream.next())["sceneUpdated"]["job"]["progress"]["currentStage"] != "DONE":
                pass

    async def test_assembly_of_the_video_adds_no_take_and_no_attempt(self, app: App) -> None:
        """Neither is billed."""
        made = await job_with_video(app, "red", "blue")
        scenes = (await jobs.job(app, made.id, "scenes { nodes { attempts takes { number } } }"))["scenes"]["nodes"]
        assert scenes == [{"attempts": 1, "takes": [{"number": 1}]}] * 2

    async def test_failed_job_has_no_video(self, app: App) -> None:
        """Not all scenes are completed."""
        failing = {"prompt": "x", "metadata": {"kind": {"codec": "no such codec"}}}
        job = await wait_for_video(app, (await jobs.make(app, clip(), failing, start=True)).id)
        assert (job["status"], job["output"], job["outputFailure"]) == ("FAILED", None, None)


@pytest.mark.slow
@on_linux
async def test_killed_assembly_of_a_video_is_repeated_after_a_restart(tmp_path: Path) -> None:
    """One video is recorded; no process and no other file of the first try is left."""
    server = ServerProcess(tmp_path, provider="scripted", lease_seconds=1)
    await asyncio.to_thread(server.start)
    client = Client(server.url)
    try:
        made = await jobs.make(client, jobs.scene(steps=1), jobs.scene(steps=1), start=True)
        child = await stop_joining_process(server.pid)
        assert (await jobs.job(client, made.id, JOB_WITH_VIDEO))["progress"]["currentStage"] == "ASSEMBLING"
        server.kill()
        os.kill(child, signal.SIGCONT)
        await eventually(lambda: not runs(child))
        await asyncio.to_thread(server.start)
        job = await wait_for_video(client, made.id)
        assert job["output"]["durationSeconds"] == 2
        log = await changes(client, made.id, 0)
        assert [changed for kind, changed in log if kind == "JOB_UPDATED"] == [["output"]]
        (video,) = (tmp_path / "media" / made.id).glob("cut_*")
        assert job["output"]["url"].endswith(video.name)
    finally:
        await client.close()
        server.kill()


async def stop_joining_process(server: int) -> int:
    """Stop the process that joins clips. Return its id."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            for child in children_of(server):
                with suppress(OSError):
                    if b"providers.joining" in command_line(child):
                        os.kill(child, signal.SIGSTOP)
                        return child
            await asyncio.sleep(0.002)


class TestAssemblyFailure:
    """The failure is shown on the job, and the scenes stay completed."""

    async def test_video_with_a_broken_clip_fails(self, app: App, folder: Path) -> None:
        """As after a defect of the storage. The failure names the scene; deleting the scene repairs the video."""
        made = await job_with_video(app, "red", "blue")
        stored_clip(folder, made, 1).write_bytes(b"this was never a clip")
        await accepted(app, "moveScene", sceneId=made.scenes[1], position=0)
        job = await wait_for_video(app, made.id)
        assert (job["status"], job["output"]) == ("COMPLETED", None)
        assert job["outputFailure"]["code"] == "CLIP_UNREADABLE"
        assert "scene 1" in job["outputFailure"]["message"]
        log = await changes(app, made.id, 0)
        assert log[-1] == ("JOB_UPDATED", ["outputFailure"])
        await accepted(app, "deleteScene", sceneId=made.scenes[1])
        job = await wait_for_video(app, made.id)
        assert (await video_colors(app, job), job["outputFailure"]) == (["red"], None)
        assert await changes(app, made.id, len(log)) == [
            ("SCENE_DELETED", ["deletedAt", "outputFailure"]),
            ("JOB_UPDATED", ["output"]),
        ]

    @pytest.mark.parametrize(
        ("fields", "code"),
        [({"outputUrl": "https://clips.test/1.mp4"}, "CLIP_ELSEWHERE"), ({}, "NO_CLIP")],
        ids=["kept elsewhere", "no clip"],
    )
    async def test_video_of_clips_that_are_not_stored_here_fails(self, app: App, fields: Json, code: str) -> None:
        """In the same event as the settling of the job."""
        made = await a_job_of(app, "PENDING")
        await report(app, made.scenes[0], "PROCESSING", "COMPLETED", **fields)
        job = await jobs.job(app, made.id, JOB_WITH_VIDEO)
        assert (job["status"], job["output"], job["progress"]["currentStage"]) == ("COMPLETED", None, "DONE")
        assert (job["outputFailure"]["code"], job["outputFailure"]["retryable"]) == (code, False)
        assert "cene 1" in job["outputFailure"]["message"]
        assert (await changes(app, made.id, 0))[-1] == ("JOB_SETTLED", ["status", "finishedAt", "outputFailure"])

    @pytest.mark.parametrize(("fails", "recovers"), [(1, True), (2, False)])
    async def test_retryable_failure_of_the_assembly_is_retried(
        self, app: App, monkeypatch: pytest.MonkeyPatch, fails: int, recovers: bool
    ) -> None:
        """Up to the maximum number of attempts."""
        tries = 0

        async def failing_join(clips: Sequence[Clip], folder: Path, most_cpu_seconds: float) -> JoinedVideo:
            nonlocal tries
            tries += 1
            if tries <= fails:
                raise Failure("STORAGE", "The storage is unavailable.", retryable=True)
            return await joiner.join(clips, folder, most_cpu_seconds)

        monkeypatch.setattr(assembly, "ATTEMPTS", 2)
        monkeypatch.setattr(assembly, "LAST_BACKOFF_SECONDS", 0.05)
        monkeypatch.setattr(app.container.coordinator.assemblies, "join", failing_join)
        job = await wait_for_video(app, (await jobs.make(app, clip(), start=True)).id)
        assert (job["output"] is not None) == recovers
        assert tries == fails + recovers
        failure = {"code": "STORAGE", "message": "The storage is unavailable.", "retryable": True}
        assert job["outputFailure"] == (None if recovers else failure)

    async def test_video_with_a_missing_clip_file_fails(
        self, app: App, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """After its retries."""
        monkeypatch.setattr(assembly, "ATTEMPTS", 2)
        monkeypatch.setattr(assembly, "LAST_BACKOFF_SECONDS", 0.01)
        made = await job_with_video(app, "red", "blue")
        stored_clip(folder, made, 0).unlink()
        await accepted(app, "moveScene", sceneId=made.scenes[0], position=1)
        job = await wait_for_video(app, made.id)
        assert job["outputFailure"]["code"] == "CLIP_MISSING"
        assert "scene 2" in job["outputFailure"]["message"]
