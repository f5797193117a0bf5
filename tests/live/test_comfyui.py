"""Clips from ComfyUI, end to end: the real server against a fake of it."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from providers.comfyui.marks import prompt_id
from tests.support import jobs
from tests.support.client import Client
from tests.support.comfyui import comfyui, settings
from tests.support.comfyui_state import FakeComfyUI, Fault
from tests.support.server_app import running
from tests.support.server_process import ServerProcess

SCENE = {"prompt": "A lighthouse at dusk", "durationSeconds": 1.0}
TAKE = (
    "scenes { nodes { status providerId failure { code } output { contentType } poster { url } currentTake { id } } }"
)


@pytest.fixture
async def fake() -> AsyncGenerator[FakeComfyUI]:
    async with comfyui() as fake:
        yield fake


async def test_scene_gets_a_clip_of_comfyui(fake: FakeComfyUI, tmp_path: Path) -> None:
    """The id of its prompt follows from the take, and the workflow has the scene's prompt and length."""
    async with running(tmp_path, **settings(fake)) as app:
        job = await jobs.make(app, SCENE, start=True)
        assert await jobs.settled(app, job.id) == "COMPLETED"
        scene = (await jobs.job(app, job.id, TAKE))["scenes"]["nodes"][0]
    (item,) = fake.submitted
    assert scene["providerId"] == item.id == prompt_id(scene["currentTake"]["id"])
    assert scene["output"]["contentType"] == "video/mp4"
    assert scene["poster"] is not None
    assert item.workflow["5"]["inputs"]["text"] == SCENE["prompt"]
    assert item.workflow["8"]["inputs"]["length"] == 25
    # Its requests belong to the trace of the render.
    assert len({headers["traceparent"] for headers in fake.headers if "traceparent" in headers}) == 1


async def test_canceled_job_is_interrupted_at_comfyui(fake: FakeComfyUI, tmp_path: Path) -> None:
    """The GPU is free again."""
    fake.behaviour.holds = True
    async with running(tmp_path, **settings(fake)) as app:
        job = await jobs.make(app, SCENE, start=True)
        await fake.until(lambda: fake.running is not None)
        await jobs.change(app, "cancelJob", jobId=job.id)
        await fake.until(lambda: bool(fake.history))
    (entry,) = fake.history.values()
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


async def test_killed_server_submits_its_prompt_once(fake: FakeComfyUI, tmp_path: Path) -> None:
    """SIGKILL after ComfyUI has queued the prompt and before it has answered: the next process finds it."""
    answered = asyncio.Event()
    fake.behaviour.holds = True
    fake.faults = {"prompt": [Fault(late=True, gate=answered)]}
    server = ServerProcess(tmp_path, **settings(fake))
    await asyncio.to_thread(server.start)
    client = Client(server.url)
    try:
        job = await jobs.make(client, SCENE, start=True)
        await fake.until(lambda: len(fake.submitted) == 1)
        server.kill()
        answered.set()
        fake.released.set()
        await asyncio.to_thread(server.start)
        assert await jobs.settled(client, job.id) == "COMPLETED"
        assert len(fake.submitted) == 1
        assert await asyncio.to_thread(server.stop) == 0
    finally:
        await client.close()
        server.kill()
