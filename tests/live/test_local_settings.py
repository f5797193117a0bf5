"""Settings and inputs through the whole server, with clips that the provider local draws."""

import io
from pathlib import Path
from typing import Any, cast

import av
from PIL import Image

from tests.support import jobs
from tests.support.assembled_video import video_bytes, wait_for_video
from tests.support.client import Json
from tests.support.renders import scene, scenes
from tests.support.server_app import App, running

SETTINGS: Json = {
    "model": "local/placeholder",
    "aspectRatio": "1:1",
    "resolution": "P360",
    "seed": 7,
    "options": {"caption": False},
}
SELECTION = """
    takes {
        id ignored metrics output { url width height }
        settings { model aspectRatio resolution seed negativePrompt audio options }
    }
"""


def pictures(content: bytes) -> list[Image.Image]:
    with cast("Any", av.open(io.BytesIO(content))) as file:
        return [frame.to_image() for frame in file.decode(video=0)]


def loudness(content: bytes) -> list[float]:
    """Return the loudest sample of each frame of sound."""
    with cast("Any", av.open(io.BytesIO(content))) as file:
        return [
            max(abs(sample) for sample in memoryview(bytes(frame.planes[0])).cast("f"))
            for frame in file.decode(audio=0)
        ]


def difference(one: Image.Image, other: Image.Image) -> float:
    pairs = zip(one.tobytes(), other.tobytes(), strict=True)
    return sum(abs(a - b) for a, b in pairs) / len(one.tobytes())


async def clip_of(app: App, take: Json) -> bytes:
    return await video_bytes(app, {"output": take["output"]})


async def test_clip_begins_with_the_last_picture_of_another_take(tmp_path: Path) -> None:
    """In the requested size; the take shows the settings that were used."""
    async with running(tmp_path, provider="local") as app:
        draft: Json = {"prompt": "A lighthouse", "durationSeconds": 0.5}
        first = await jobs.make(app, draft, start=True, settings=SETTINGS)
        assert await jobs.settled(app, first.id) == "COMPLETED"
        (before,) = (await scene(app, first.id, SELECTION))["takes"]
        defaults = {"negativePrompt": None, "audio": False}
        assert before["settings"] == SETTINGS | defaults
        assert (before["output"]["width"], before["output"]["height"]) == (360, 360)
        assert before["ignored"] == []
        assert before["metrics"]["renderSeconds"] > 0

        inputs = [{"role": "FIRST_FRAME", "takeId": before["id"]}]
        second = await jobs.make(app, draft | {"inputs": inputs}, start=True, settings=SETTINGS | {"seed": None})
        assert await jobs.settled(app, second.id) == "COMPLETED"
        (after,) = (await scene(app, second.id, SELECTION))["takes"]
        assert 0 <= after["settings"]["seed"] < 2**32
        last, start = pictures(await clip_of(app, before))[-1], pictures(await clip_of(app, after))[0]
        assert difference(last, start) < 5


async def test_clips_with_and_without_sound_are_joined(tmp_path: Path) -> None:
    """A chord where it was asked for, silence where not."""
    async with running(tmp_path, provider="local") as app:
        drafts: list[Json] = [
            {"prompt": "A lighthouse", "durationSeconds": 0.5, "settings": {"audio": audio}} for audio in (True, False)
        ]
        made = await jobs.make(app, *drafts, start=True, settings=SETTINGS)
        video = await video_bytes(app, await wait_for_video(app, made.id))
        takes = [each["takes"][0] for each in await scenes(app, made.id, SELECTION)]
        assert [take["settings"]["audio"] for take in takes] == [True, False]
        loudest = loudness(video)
        assert max(loudest[: len(loudest) // 3]) > 0.05
        assert max(loudest[-5:]) < 0.01
