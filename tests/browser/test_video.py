"""Clips of the provider local, played by a real browser."""

import tempfile
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Page, Response

from providers.clips.encoding import VideoCodec
from providers.joining.joiner import join
from providers.joining.wire import Clip
from providers.local import LocalProvider
from providers.port import Asset
from tests.support.explorer import Server
from tests.support.orders import an_order, made

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREATE_JOB = """
mutation Create {
  createJob(input: {
    title: "Played", provider: "local", start: true, scenes: [{ prompt: "A kite", durationSeconds: 2 }]
  }) { job { id } errors { message } }
}
"""
CLIP = """
query Clip($jobId: ID!) {
  job(id: $jobId) { scenes(first: 1) { nodes { output { url } } } }
}
"""
PLAY_AND_SEEK = """
async (url) => {
  const video = Object.assign(document.createElement('video'), { src: url, muted: true })
  const happens = (name) => new Promise((done, fail) => {
    video.addEventListener(name, done, { once: true })
    video.addEventListener('error', () => fail(new Error(video.error.message)), { once: true })
  })
  document.body.append(video)
  await happens('loadedmetadata')
  await video.play()
  await happens('timeupdate')
  video.pause()
  const played = video.currentTime
  video.currentTime = 1.5
  await happens('seeked')
  return { played, seekedTo: video.currentTime, duration: video.duration }
}
"""


@pytest.mark.browser
async def test_a_clip_plays_and_seeks(page: Page, server: Server) -> None:
    """The video element loads byte ranges, plays and seeks."""
    created = await server.execute(CREATE_JOB, {})
    job_id = created["createJob"]["job"]["id"]
    await server.settled(job_id)
    clip = await server.execute(CLIP, {"jobId": job_id})
    url = clip["job"]["scenes"]["nodes"][0]["output"]["url"]
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))

    await page.goto(f"{server.url}/graphql")
    seen = await page.evaluate(PLAY_AND_SEEK, url)

    assert seen["played"] > 0
    assert seen["seekedTo"] == 1.5
    assert seen["duration"] == pytest.approx(2, abs=0.1)
    media = [answer for answer in answers if answer.url.endswith(url)]
    assert {answer.status for answer in media} == {206}
    assert {answer.headers["content-type"] for answer in media} == {"video/mp4"}


async def a_clip(folder: Path, codec: VideoCodec, *size: int) -> Asset:
    """Render a clip of a second with sound."""
    order = an_order(folder, duration_seconds=1.0)
    order = replace(order, settings=replace(order.settings, audio=True))
    return (await made(LocalProvider(*size, codec=codec), order)).clip


@pytest.mark.browser
@pytest.mark.parametrize("codec", [VideoCodec.VP9, VideoCodec.AV1])
async def test_clips_of_other_codecs_play_when_joined(page: Page, tmp_path: Path, codec: VideoCodec) -> None:
    """Copied or re-encoded."""
    folders = [tempfile.mkdtemp(dir=tmp_path) for _ in range(4)]
    first, second = [await a_clip(Path(folders.pop()), codec, 128, height) for height in (72, 128)]
    for assets in ([first, first], [first, second]):
        folder = Path(folders.pop())
        video = await join([Clip(str(each.path), each.content_type) for each in assets], folder, codec=codec)
        assert ("ENCODED" in {each.code for each in video.adjustments}) == (second in assets)
        seen = await page.evaluate(
            PLAY_AND_SEEK, f"data:video/mp4;base64,{b64encode(video.path.read_bytes()).decode()}"
        )
        assert seen["played"] > 0
        assert seen["seekedTo"] == 1.5
        assert seen["duration"] == pytest.approx(2, abs=0.1)
