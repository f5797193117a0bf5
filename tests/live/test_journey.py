"""One job from creation to playable clips, as a front end uses the API."""

import asyncio
import io
from fractions import Fraction
from pathlib import Path

from PIL import Image

from tests.support import jobs
from tests.support.client import Json
from tests.support.job_feed import FRAGMENTS, ClientView
from tests.support.media_files import boxes, probe
from tests.support.server_app import App, running

FEED = (
    """
subscription Feed($jobId: ID!) {
  jobEvents(jobId: $jobId, untilSettled: true) {
    kind: __typename
    ... on JobSnapshot { reason version job { ...J scenes { nodes { ...S } } } }
    ... on JobEvent {
      version type now: job { ...J } scene { ...S deletedAt } progress { percentage stageLabel currentStage }
    }
    ... on SceneProgress { sceneId percentage preview { url contentType } progress { percentage currentStage } }
  }
}
"""
    + FRAGMENTS
)
MEDIA = "{ url contentType sizeBytes width height durationSeconds }"
SCENES: list[Json] = [
    {"title": "Dawn", "prompt": "First light over a calm sea, a lighthouse on the cliff", "durationSeconds": 2.5},
    {"title": "夜", "prompt": "Der Lichtstrahl über dunklem Wasser — עם ישראל", "durationSeconds": 4},
]


async def test_job_from_creation_to_playable_clips(tmp_path: Path) -> None:
    """Create and start a job, receive every event and live frame, download the clips and probe them."""
    async with running(tmp_path, provider="local", local_width=320, local_height=180, render_concurrency=1) as app:
        made = await jobs.make(app, *SCENES)
        async with app.subscribe(FEED, jobId=made.id) as stream:
            view = ClientView()
            first = (await stream.next())["jobEvents"]
            view.show(first)
            assert (await app.mutate("startJob", "job { status } errors { code }", jobId=made.id)) == {
                "job": {"status": "PROCESSING"},
                "errors": [],
            }
            messages: list[Json] = []
            frames: list[bytes] = []
            try:
                while True:
                    message = (await stream.next())["jobEvents"]
                    view.show(message)
                    messages.append(message)
                    if message["kind"] == "SceneProgress" and message["preview"] is not None:
                        frames.append(await frame(app, message["preview"]))
            except StopAsyncIteration:
                pass
        assert_every_step_was_sent(messages, made)
        assert frames, "live frames are sent during the render"
        await assert_clips_match_their_scenes(app, made, tmp_path)


async def frame(app: App, preview: Json) -> bytes:
    """Return the newest frame of a running render: a small WebP that is not cached."""
    answer = await app.http.get(path_of(preview))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert preview["contentType"] == answer.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.format == "WEBP"
        assert image.width * 180 == image.height * 320
    return answer.content


def assert_every_step_was_sent(messages: list[Json], made: jobs.Made) -> None:
    """Assert that events come in order, and that progress never decreases and reaches 100 with the last clip."""
    types = [message["type"] for message in messages if message["kind"] == "JobEvent"]
    rendered = ["SCENE_STARTED", "SCENE_UPDATED", "SCENE_COMPLETED"]
    # Events of the assembly may follow JOB_SETTLED.
    assert types[:8] == ["JOB_STARTED", *rendered, *rendered, "JOB_SETTLED"]
    for kind in ("JobEvent", "SceneProgress"):
        percentages = [message["progress"]["percentage"] for message in messages if message["kind"] == kind]
        assert percentages == sorted(percentages)
        assert percentages
    assert messages[-1]["progress"]["percentage"] == 100.0
    assert messages[-1]["progress"]["currentStage"] in ("ASSEMBLING", "DONE")
    for scene_id in made.scenes:
        percentages = [each["percentage"] for each in messages if each.get("sceneId") == scene_id]
        assert percentages == sorted(percentages)


async def assert_clips_match_their_scenes(app: App, made: jobs.Made, folder: Path) -> None:
    """Download the clips as a browser does, and compare them with their scenes."""
    selection = f"status percentage output {MEDIA} poster {MEDIA} preview {MEDIA} takes {{ number status }}"
    job = await jobs.job(app, made.id, f"status finishedAt scenes {{ nodes {{ {selection} }} }}")
    assert (job["status"], job["finishedAt"] is not None) == ("COMPLETED", True)
    for number, (asked, scene) in enumerate(zip(SCENES, job["scenes"]["nodes"], strict=True)):
        assert (scene["status"], scene["takes"]) == ("COMPLETED", [{"number": 1, "status": "COMPLETED"}])
        clip = await download_in_ranges(app, scene["output"])
        file = folder / f"{number}.mp4"
        file.write_bytes(clip)
        found = probe(file)
        assert (found.codec, found.pixels, found.size) == ("h264", "yuv420p", (320, 180))
        assert found.seconds == Fraction(str(asked["durationSeconds"]))
        assert scene["output"] | {"url": ""} == {
            "url": "",
            "contentType": "video/mp4",
            "sizeBytes": len(clip),
            "width": 320,
            "height": 180,
            "durationSeconds": asked["durationSeconds"],
        }
        names = boxes(clip)
        assert names.index("moov") < names.index("mdat"), "playback starts before the download has finished"
        assert await images(app, scene["poster"]) == 1
        assert await images(app, scene["preview"]) > 1


async def download_in_ranges(app: App, media: Json) -> bytes:
    """Download a file as a seeking player does: in four concurrent range requests."""
    path, size = path_of(media), media["sizeBytes"]
    head = await app.http.head(path)
    assert (head.status_code, head.headers["accept-ranges"], head.headers["content-length"]) == (
        200,
        "bytes",
        str(size),
    )
    assert head.headers["content-type"] == media["contentType"]
    step = -(-size // 4)
    spans = [(start, min(start + step, size) - 1) for start in range(0, size, step)]
    pieces = await asyncio.gather(
        *(app.http.get(path, headers={"range": f"bytes={start}-{end}"}) for start, end in spans)
    )
    for piece, (start, end) in zip(pieces, spans, strict=True):
        assert (piece.status_code, piece.headers["content-range"]) == (206, f"bytes {start}-{end}/{size}")
    content = b"".join(piece.content for piece in pieces)
    assert content == (await app.http.get(path)).content
    return content


async def images(app: App, media: Json) -> int:
    """Return the number of images in a WebP file."""
    answer = await app.http.get(path_of(media))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert len(answer.content) == media["sizeBytes"]
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.width, image.height) == ("WEBP", media["width"], media["height"])
        return getattr(image, "n_frames", 1)


def path_of(media: Json) -> str:
    """Return the path of a media URL."""
    path: str = media["url"].removeprefix("http://scenewire.test")
    assert path.startswith("/media/")
    return path
