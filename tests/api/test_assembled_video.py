"""The assembled video: joined when every live scene is completed, and made anew when the composition changes."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import av
import pytest
import pytest_asyncio
from av.container import InputContainer

from coordinator.renders import assembly
from providers.joining import joiner
from providers.joining.wire import Clip
from providers.port import Asset, Failure
from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.clip_provider import BROKEN, ClipProvider, clip
from tests.support.factories import a_job_of, accepted, report
from tests.support.media_files import boxes
from tests.support.os_processes import children_of, command_line, on_linux, runs
from tests.support.queries import FAILURE, MEDIA, changes
from tests.support.server_app import App, running
from tests.support.server_process import ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORIGIN = "http://scenewire.test"
STAGES = "subscription($id: ID!) { jobProgress(jobId: $id, minIntervalMs: 0) { currentStage percentage stageLabel } }"
JOB = f"status version output {MEDIA} outputFailure {FAILURE} progress {{ currentStage percentage }}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps its data."""
    return tmp_path_factory.mktemp("video")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, folder: Path) -> AsyncGenerator[App]:
    """A server whose provider makes the clips that a test describes."""
    async with running(folder, {"scripted": ClipProvider()}) as app:
        yield app


async def made(app: Client, *colors: str, **kind: Any) -> jobs.Made:
    """Make a job with a clip of each colour, joined."""
    made = await jobs.make(app, *(clip(color, **kind) for color in colors), start=True)
    await joined(app, made.id)
    return made


async def joined(app: Client, job_id: str) -> Json:
    """Wait until nothing is done for the job any more; answers it."""
    await jobs.at_rest(app, job_id)
    return await jobs.job(app, job_id, JOB)


async def content(app: Client, job: Json) -> bytes:
    """The video of a job."""
    answer = await app.http.get(job["output"]["url"].removeprefix(ORIGIN))
    assert answer.status_code == 200
    return answer.content


async def colors(app: Client, job: Json) -> list[str]:
    """What is seen in the middle of each clip of half a second."""
    with cast("InputContainer", av.open(BytesIO(await content(app, job)))) as container:
        frames = list(cast("Any", container).decode(video=0))
    return [_color(frame.to_image().getpixel((160, 90))) for frame in frames[6::12]]


def _color(pixel: Sequence[int]) -> str:
    red, green, blue = (value > 100 for value in pixel)
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 0): "yellow"}
    return names[int(red), int(green), int(blue)]


class TestItIsMade:
    """When every live scene is completed."""

    async def test_of_the_clips_in_play_order(self, app: App) -> None:
        """It plays, it starts before it is loaded, and the API says how long and how large it is."""
        made_ = await jobs.make(app, clip("red"), clip("lime"), clip("blue"), start=True)
        job = await joined(app, made_.id)
        video = await content(app, job)
        output = job["output"]
        assert output["url"].startswith(f"{ORIGIN}/media/{made_.id}/cut_")
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
        assert await colors(app, job) == ["red", "green", "blue"]
        assert job["outputFailure"] is None

    async def test_of_clips_that_do_not_agree(self, app: App) -> None:
        """Another size, pace, codec or sound is encoded anew, and nothing fails."""
        others = [clip("lime", width=200, rate=15, tone=300), clip("blue", codec="libvpx", container="webm")]
        job = await joined(app, (await jobs.make(app, clip("red"), *others, start=True)).id)
        assert await colors(app, job) == ["red", "green", "blue"]
        assert job["output"]["durationSeconds"] == pytest.approx(1.5, abs=0.1)

    async def test_as_a_stage_of_its_own(self, app: App) -> None:
        """After the last scene and before the end; all that time the percentage is 100."""
        made_ = await jobs.make(app, clip())
        seen: list[tuple[str, float]] = []
        async with app.subscribe(STAGES, id=made_.id) as stream:
            await accepted(app, "startJob", jobId=made_.id)
            while not seen or seen[-1][0] != "DONE":
                reading = (await stream.next())["jobProgress"]
                seen.append((reading["currentStage"], reading["percentage"]))
        assert seen[-2:] == [("ASSEMBLING", 100), ("DONE", 100)], seen

    async def test_in_an_event_after_the_job_has_settled(self, app: App) -> None:
        """A stream that ends when the job settles need not wait for it; one that stays is told."""
        made_ = await jobs.make(app, clip())
        document = "subscription($id: ID!) { jobEvents(jobId: $id) { ... on JobEvent { type changed actorId } } }"
        async with app.subscribe(document, id=made_.id) as stream:
            await accepted(app, "startJob", jobId=made_.id)
            events = [await stream.next()]
            while events[-1]["jobEvents"].get("type") != "JOB_UPDATED":
                events.append(await stream.next())
        settled, updated = (event["jobEvents"] for event in events[-2:])
        assert settled == {"type": "JOB_SETTLED", "changed": ["status", "finishedAt"], "actorId": None}
        assert updated == {"type": "JOB_UPDATED", "changed": ["output"], "actorId": None}

    async def test_and_dashboards_are_told(self, app: App) -> None:
        """As of any other change."""
        made_ = await jobs.make(app, clip())
        async with app.subscribe("subscription { jobsUpdated { id output { url } } }") as stream:
            await accepted(app, "startJob", jobId=made_.id)
            while (await stream.next())["jobsUpdated"]["output"] is None:
                pass

    async def test_and_so_is_who_watches_one_scene(self, app: App) -> None:
        """The stage of its job is part of what is shown."""
        made_ = await jobs.make(app, clip())
        document = "subscription($id: ID!) { sceneUpdated(sceneId: $id) { job { progress { currentStage } } } }"
        async with app.subscribe(document, id=made_.scenes[0]) as stream:
            await accepted(app, "startJob", jobId=made_.id)
            while (await stream.next())["sceneUpdated"]["job"]["progress"]["currentStage"] != "DONE":
                pass

    async def test_and_costs_nothing_of_what_is_billed(self, app: App) -> None:
        """No take, no attempt."""
        made_ = await made(app, "red", "blue")
        scenes = (await jobs.job(app, made_.id, "scenes { nodes { attempts takes { number } } }"))["scenes"]["nodes"]
        assert scenes == [{"attempts": 1, "takes": [{"number": 1}]}] * 2

    async def test_but_not_before_all_are_completed(self, app: App) -> None:
        """A job that failed has none."""
        failing = {"prompt": "x", "metadata": {"kind": {"codec": "no such codec"}}}
        job = await joined(app, (await jobs.make(app, clip(), failing, start=True)).id)
        assert (job["status"], job["output"], job["outputFailure"]) == ("FAILED", None, None)


@pytest.mark.slow
@on_linux
async def test_a_kill_in_the_middle_of_it_loses_nothing(tmp_path: Path) -> None:
    """The next start takes it up; the video comes once, and no process and no other file is left of the first try."""
    server = ServerProcess(tmp_path, provider="scripted", lease_seconds=1)
    await asyncio.to_thread(server.start)
    client = Client(server.url)
    try:
        made_ = await jobs.make(client, jobs.scene(steps=1), jobs.scene(steps=1), start=True)
        child = await stopped_while_joining(server.pid)
        assert (await jobs.job(client, made_.id, JOB))["progress"]["currentStage"] == "ASSEMBLING"
        server.kill()
        os.kill(child, signal.SIGCONT)
        await eventually(lambda: not runs(child))
        await asyncio.to_thread(server.start)
        job = await joined(client, made_.id)
        assert job["output"]["durationSeconds"] == 2
        log = await changes(client, made_.id, 0)
        assert [changed for kind, changed in log if kind == "JOB_UPDATED"] == [["output"]]
        (video,) = (tmp_path / "media" / made_.id).glob("cut_*")
        assert job["output"]["url"].endswith(video.name)
    finally:
        await client.close()
        server.kill()


async def stopped_while_joining(server: int) -> int:
    """The process that joins clips, stopped in the middle of it."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            for child in children_of(server):
                with suppress(OSError):
                    if b"providers.joining" in command_line(child):
                        os.kill(child, signal.SIGSTOP)
                        return child
            await asyncio.sleep(0.002)


@pytest.mark.both_databases
class TestItIsStale:
    """When the composition changes: it is gone at once, and made anew."""

    async def test_after_a_move(self, app: App) -> None:
        """In the new order; the event says that it is gone."""
        made_ = await made(app, "red", "lime", "blue")
        before = await jobs.job(app, made_.id, JOB)
        payload = await accepted(app, "moveScene", f"job {{ {JOB} }}", sceneId=made_.scenes[2], position=0)
        assert payload["job"]["output"] is None
        assert payload["job"]["progress"] == {"currentStage": "ASSEMBLING", "percentage": 100}
        after = await joined(app, made_.id)
        assert await colors(app, after) == ["blue", "red", "green"]
        assert await changes(app, made_.id, before["version"]) == [
            ("SCENES_REORDERED", ["position", "output"]),
            ("JOB_UPDATED", ["output"]),
        ]
        # The old one is served for a while to who is just watching it.
        await content(app, before)

    async def test_after_a_delete(self, app: App) -> None:
        """Without the deleted one."""
        made_ = await made(app, "red", "lime", "blue")
        await accepted(app, "deleteScene", sceneId=made_.scenes[1])
        assert await colors(app, await joined(app, made_.id)) == ["red", "blue"]

    async def test_after_a_regenerate(self, app: App) -> None:
        """There is none until the new take is there."""
        made_ = await made(app, "red", "blue")
        payload = await accepted(app, "regenerateScene", f"job {{ {JOB} }}", sceneId=made_.scenes[0])
        assert (payload["job"]["status"], payload["job"]["output"]) == ("PROCESSING", None)
        assert await colors(app, await joined(app, made_.id)) == ["yellow", "blue"]

    async def test_after_one_more_scene(self, app: App) -> None:
        """Which is joined too."""
        made_ = await made(app, "red")
        await accepted(app, "addScene", jobId=made_.id, scene=clip("blue"), position=0)
        assert await colors(app, await joined(app, made_.id)) == ["blue", "red"]

    async def test_but_not_after_what_leaves_the_clips_alone(self, app: App) -> None:
        """A title, a move to the same place."""
        made_ = await made(app, "red", "blue")
        before = await jobs.job(app, made_.id, JOB)
        await jobs.retitle(app, made_.id, "Another title")
        await accepted(app, "moveScene", sceneId=made_.scenes[0], position=0)
        await accepted(app, "updateScene", sceneId=made_.scenes[0], title="A title")
        assert (await jobs.job(app, made_.id, JOB))["output"] == before["output"]

    async def test_also_while_it_is_made(self, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was begun of the old composition is stopped, and changes nothing."""
        begun, stopped = asyncio.Event(), asyncio.Event()

        async def slowly(clips: Sequence[Clip], folder: Path) -> Asset:
            if begun.is_set():
                return await joiner.join(clips, folder)
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
            raise AssertionError

        monkeypatch.setattr(app.container.coordinator.assemblies, "join", slowly)
        made_ = await jobs.make(app, clip("red"), clip("blue"), start=True)
        await begun.wait()
        await accepted(app, "moveScene", sceneId=made_.scenes[0], position=1)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await stopped.wait()
        assert await colors(app, await joined(app, made_.id)) == ["blue", "red"]
        log = [event["type"] for event in await jobs.log(app, made_.id)]
        assert log.count("JOB_UPDATED") == 1


class TestItCannotBeMade:
    """That is told, and the scenes stay completed."""

    async def test_of_a_broken_clip(self, app: App) -> None:
        """Which is named. Deleting it mends the video."""
        made_ = await jobs.make(app, clip("red"), {"prompt": "broken", "metadata": BROKEN}, start=True)
        job = await joined(app, made_.id)
        assert (job["status"], job["output"]) == ("COMPLETED", None)
        assert job["outputFailure"]["code"] == "CLIP_UNREADABLE"
        assert "scene 2" in job["outputFailure"]["message"]
        log = await changes(app, made_.id, 0)
        assert log[-1] == ("JOB_UPDATED", ["outputFailure"])
        await accepted(app, "deleteScene", sceneId=made_.scenes[1])
        job = await joined(app, made_.id)
        assert (await colors(app, job), job["outputFailure"]) == (["red"], None)
        assert await changes(app, made_.id, len(log)) == [
            ("SCENE_DELETED", ["deletedAt", "outputFailure"]),
            ("JOB_UPDATED", ["output"]),
        ]

    @pytest.mark.parametrize(
        ("fields", "code"),
        [({"outputUrl": "https://clips.test/1.mp4"}, "CLIP_ELSEWHERE"), ({}, "NO_CLIP")],
        ids=["kept elsewhere", "no clip"],
    )
    async def test_of_what_is_not_here(self, app: App, fields: Json, code: str) -> None:
        """Said at once, with the event by which the job settles."""
        made_ = await a_job_of(app, "PENDING")
        await report(app, made_.scenes[0], "PROCESSING", "COMPLETED", **fields)
        job = await jobs.job(app, made_.id, JOB)
        assert (job["status"], job["output"], job["progress"]["currentStage"]) == ("COMPLETED", None, "DONE")
        assert (job["outputFailure"]["code"], job["outputFailure"]["retryable"]) == (code, False)
        assert "cene 1" in job["outputFailure"]["message"]
        assert (await changes(app, made_.id, 0))[-1] == ("JOB_SETTLED", ["status", "finishedAt", "outputFailure"])

    @pytest.mark.parametrize(("fails", "made_at_last"), [(1, True), (2, False)])
    async def test_at_first(self, app: App, monkeypatch: pytest.MonkeyPatch, fails: int, made_at_last: bool) -> None:
        """What may pass is tried again a few times."""
        tries = 0

        async def failing(clips: Sequence[Clip], folder: Path) -> Asset:
            nonlocal tries
            tries += 1
            if tries <= fails:
                raise Failure("STORAGE", "The storage is away.", retryable=True)
            return await joiner.join(clips, folder)

        monkeypatch.setattr(assembly, "ATTEMPTS", 2)
        monkeypatch.setattr(assembly, "LAST_BACKOFF_SECONDS", 0.05)
        monkeypatch.setattr(app.container.coordinator.assemblies, "join", failing)
        job = await joined(app, (await jobs.make(app, clip(), start=True)).id)
        assert (job["output"] is not None) == made_at_last
        assert tries == fails + made_at_last
        failure = {"code": "STORAGE", "message": "The storage is away.", "retryable": True}
        assert job["outputFailure"] == (None if made_at_last else failure)

    async def test_of_a_file_that_is_lost(self, app: App, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It may come back, so it is looked for again."""
        monkeypatch.setattr(assembly, "ATTEMPTS", 2)
        monkeypatch.setattr(assembly, "LAST_BACKOFF_SECONDS", 0.01)
        made_ = await made(app, "red", "blue")
        (lost,) = (folder / "media" / made_.id / made_.scenes[0]).iterdir()
        lost.unlink()
        await accepted(app, "moveScene", sceneId=made_.scenes[0], position=1)
        job = await joined(app, made_.id)
        assert job["outputFailure"]["code"] == "CLIP_MISSING"
        assert "scene 2" in job["outputFailure"]["message"]
