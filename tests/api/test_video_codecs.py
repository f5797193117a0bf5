"""The codec of videos that the server encodes: clips of the provider local, joins, and renditions."""

from io import BytesIO
from pathlib import Path
from typing import cast

import av
import pytest
from av.container import InputContainer

from providers.clips.encoding import VideoCodec
from server.providers.providers import local
from server.settings import Settings
from tests.support import jobs
from tests.support.assembled_video import video_bytes, wait_for_video
from tests.support.client import Json
from tests.support.delivered_files import DeliveryProvider
from tests.support.inspected import one, served
from tests.support.media_files import boxes
from tests.support.server_app import App, running

SCENE: Json = {"prompt": "A kite", "durationSeconds": 0.5}


def codecs(video: bytes) -> tuple[str, ...]:
    """Return the codecs of the pictures and of the sound of a video that plays before it is fully loaded."""
    assert boxes(video)[:2] == ["ftyp", "moov"]
    with cast("InputContainer", av.open(BytesIO(video))) as container:
        return tuple(stream.codec_context.codec.canonical_name for stream in container.streams)


async def videos(app: App, job_id: str) -> tuple[list[bytes], list[str]]:
    """Wait for the video of a job; return its clips and the video, and the codes of what was done to join them."""
    video = await video_bytes(app, await wait_for_video(app, job_id))
    fields = "outputAdjustments { code } output { contentType } scenes { nodes { output { url contentType } } }"
    job = await jobs.job(app, job_id, fields)
    outputs = [each["output"] for each in job["scenes"]["nodes"]]
    assert {each["contentType"] for each in (job["output"], *outputs)} == {"video/mp4"}
    clips = [(await served(app, each)).content for each in outputs]
    return [*clips, video], [each["code"] for each in job["outputAdjustments"]]


@pytest.mark.parametrize("codec", [pytest.param(VideoCodec.VP9, marks=pytest.mark.thorough), VideoCodec.AV1])
async def test_the_setting_chooses_the_codec_of_what_is_encoded(tmp_path: Path, codec: VideoCodec) -> None:
    """Clips, renditions and joins of clips that differ have it; what browsers play is joined by copying."""
    settings = Settings(video_codec=codec, local_width=64, local_height=64)
    async with running(tmp_path, {"local": local(settings), "scripted": DeliveryProvider()}, video_codec=codec) as app:
        scenes = [SCENE | {"settings": {"aspectRatio": each, "audio": True}} for each in ("16:9", "1:1")]
        made = await jobs.make(app, *scenes, provider="local", start=True)
        found, done = await videos(app, made.id)
        assert [codecs(each) for each in found] == [(codec, "aac")] * 3
        assert "ENCODED" in done

        await jobs.change(app, "deleteScene", jobId=made.id, sceneId=made.scenes[1])
        found, done = await videos(app, made.id)
        assert [codecs(each) for each in found] == [(codec, "aac")] * 2
        assert "ENCODED" not in done

        scene = await one(app, "mpeg4")
        assert codecs((await served(app, scene["output"])).content)[0] == codec
