"""Jobs with an assembled video, and readers of the video."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, cast

import av
from av.container import InputContainer

from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.clip_provider import clip
from tests.support.queries import FAILURE, MEDIA

ORIGIN = "http://scenewire.test"
JOB_WITH_VIDEO = f"status version output {MEDIA} outputFailure {FAILURE} progress {{ currentStage percentage }}"


async def job_with_video(app: Client, *colors: str, **kind: Any) -> jobs.Made:
    """Make a job with a clip of each colour, and wait for its video."""
    made = await jobs.make(app, *(clip(color, **kind) for color in colors), start=True)
    await wait_for_video(app, made.id)
    return made


async def wait_for_video(app: Client, job_id: str) -> Json:
    """Wait until no work is left for the job. Return the job with its video."""
    await jobs.at_rest(app, job_id)
    return await jobs.job(app, job_id, JOB_WITH_VIDEO)


async def video_bytes(app: Client, job: Json) -> bytes:
    """Return the video of a job."""
    answer = await app.http.get(job["output"]["url"].removeprefix(ORIGIN))
    assert answer.status_code == 200
    return answer.content


async def video_colors(app: Client, job: Json) -> list[str]:
    """Return the colour in the middle of each clip of half a second."""
    with cast("InputContainer", av.open(BytesIO(await video_bytes(app, job)))) as container:
        frames = list(cast("Any", container).decode(video=0))
    return [_color(frame.to_image().getpixel((160, 90))) for frame in frames[6::12]]


def _color(pixel: Sequence[int]) -> str:
    red, green, blue = (value > 100 for value in pixel)
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 0): "yellow"}
    return names[int(red), int(green), int(blue)]
