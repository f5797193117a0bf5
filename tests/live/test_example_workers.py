"""The example workers of docs/examples/workers render takes, and lose them when they are killed."""

import json
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.client import Json
from tests.support.clip_host import clip_bytes
from tests.support.comfyui import comfyui
from tests.support.delivered_files import PLAIN
from tests.support.example_workers import EXAMPLES, ExampleWorker, slow_copy
from tests.support.leasing import a_leased_job, end_leases
from tests.support.programs import program
from tests.support.queries import read_scene
from tests.support.server_app import App, running
from tests.support.server_process import ROOT
from tests.support.waiting import eventually

NEEDED = {"worker.py": (), "worker.sh": ("curl", "jq")}
HOURS = 3_600.0


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    """A server that names its own address in upload targets."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with running(tmp_path, listener=listener, public_url=address) as app:
        yield app


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A clip of one second."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip_bytes(tmp_path, PLAIN))
    return path


@pytest.fixture
def workers() -> Generator[ExitStack]:
    """Kills the workers of the test."""
    with ExitStack() as stack:
        yield stack


def started(workers: ExitStack, worker: ExampleWorker) -> ExampleWorker:
    workers.callback(worker.kill)
    return worker.start()


def without_picture() -> Json:
    """Return the example of a template for ComfyUI without its optional first frame."""
    template: Json = json.loads((ROOT / "docs" / "examples" / "comfyui" / "wan-2.2-5b.json").read_text())
    workflow: Json = template["workflow"]
    del workflow["7"]
    for node in workflow.values():
        node["inputs"] = {name: value for name, value in node["inputs"].items() if value != ["7", 0]}
    return template


async def _is(app: App, scene_id: str, status: str) -> bool:
    return (await read_scene(app, scene_id, "status"))["status"] == status


@pytest.mark.parametrize("script", NEEDED)
async def test_a_killed_worker_is_replaced(
    app: App, tmp_path: Path, clip: Path, workers: ExitStack, script: str
) -> None:
    """Another one takes the take over when the lease has ended, and each scene is rendered once."""
    for name in NEEDED[script]:
        program(name)
    made = await a_leased_job(app, 2)
    slow = started(workers, ExampleWorker(tmp_path, app.url, "slow", *slow_copy(clip, HOURS), script=script))
    await eventually(lambda: _is(app, made.scenes[0], "PROCESSING"))
    slow.kill()
    started(workers, ExampleWorker(tmp_path, app.url, "quick", *slow_copy(clip, 0.1), script=script))
    await eventually(lambda: _is(app, made.scenes[1], "COMPLETED"))
    await end_leases(app, made.scenes[0])
    assert await jobs.settled(app, made.id) == "COMPLETED"
    for scene_id in made.scenes:
        scene = await read_scene(app, scene_id, "attempts takes { status worker { name } }")
        assert scene == {"attempts": 1, "takes": [{"status": "COMPLETED", "worker": {"name": "quick"}}]}


@pytest.mark.parametrize("script", NEEDED)
async def test_a_failed_command_fails_its_take(app: App, tmp_path: Path, workers: ExitStack, script: str) -> None:
    """Which is retried."""
    for name in NEEDED[script]:
        program(name)
    made = await a_leased_job(app)
    started(workers, ExampleWorker(tmp_path, app.url, "broken", "bash", "-c", "exit 3", script=script))
    assert await jobs.settled(app, made.id) == "FAILED"
    scene = await read_scene(app, made.scenes[0], "attempts failure { code retryable }")
    assert scene == {"attempts": 3, "failure": {"code": "RENDER_FAILED", "retryable": True}}


async def test_a_worker_drives_comfyui(app: App, tmp_path: Path, workers: ExitStack) -> None:
    """It fills the slots of a template, and submits a take once, also after the worker was killed."""
    async with comfyui() as fake:
        fake.behaviour.waits_for_client = False
        fake.behaviour.holds = True
        made = await a_leased_job(app, settings={"seed": 42})
        template = tmp_path / "workflow.json"
        template.write_text(json.dumps(without_picture()))
        command = [sys.executable, str(EXAMPLES / "comfyui.py"), str(template)]
        environment = {"COMFYUI_URL": fake.origin}
        first = ExampleWorker(tmp_path, app.url, "first", *command, **environment)
        started(workers, first)
        await eventually(lambda: len(fake.submitted) == 1)
        first.kill()
        await end_leases(app, *made.scenes)
        started(workers, ExampleWorker(tmp_path, app.url, "second", *command, **environment))
        fake.released.set()
        assert await jobs.settled(app, made.id) == "COMPLETED"
        (prompt,) = fake.submitted
        assert prompt.workflow["5"]["inputs"]["text"] == "Scene 0"
        assert prompt.workflow["9"]["inputs"]["seed"] == 42


def test_the_examples_are_as_short_as_their_page_says() -> None:
    """60 lines of Python, 40 of bash; blank ones are not counted."""
    lines = {name: sum(map(bool, (EXAMPLES / name).read_text().splitlines())) for name in NEEDED}
    assert lines["worker.py"] <= 60
    assert lines["worker.sh"] <= 40
