"""A server that is killed while a clip is looked at, or between looking and recording, loses nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import jobs
from tests.support.client import Client, Json
from tests.support.delivered_files import delivery
from tests.support.os_processes import children_of, command_line, on_linux, runs
from tests.support.queries import FAILURE, changes
from tests.support.server_process import ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.slow, on_linux]

SCENE = f"""scenes {{ nodes {{
    id status attempts failure {FAILURE} output {{ url }} poster {{ url }} preview {{ url }}
    takes {{ id number original {{ url }} }}
}} }}"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[ServerProcess]:
    """A server whose provider delivers files."""
    server = ServerProcess(tmp_path, "serve", module="tests.support.delivering_server", provider="scripted")
    await asyncio.to_thread(server.start)
    yield server
    server.kill()


@pytest.mark.parametrize(
    ("file", "status", "suffixes"),
    [
        ("plain", "COMPLETED", {".mp4", ".poster.webp", ".preview.webp"}),
        ("quicktime", "COMPLETED", {".mp4", ".poster.webp", ".preview.webp", ".original.mov"}),
        ("json", "FAILED", {".original.bin"}),
    ],
)
async def test_take_of_a_killed_inspection_is_finished_after_a_restart(
    server: ServerProcess, file: str, status: str, suffixes: set[str]
) -> None:
    """Once: one take, one event, and the files of that take alone; the inspecting process ends with its server."""
    client = Client(server.url)
    made = await jobs.make(client, delivery(file), start=True)
    child = await stopped_inspection(server.pid)
    server.kill()
    os.kill(child, signal.SIGCONT)
    await eventually(lambda: not runs(child))
    await asyncio.to_thread(server.start)
    scene = await settled_scene(client, made)
    await client.close()
    assert (scene["status"], scene["attempts"], len(scene["takes"])) == (status, 1, 1)
    assert stored(server, made) == {f"{scene['takes'][0]['id']}{suffix}" for suffix in suffixes}


async def test_server_that_is_killed_with_stored_files_records_them_once(server: ServerProcess) -> None:
    """The rendition is being made, so nothing is recorded: the next process makes all files again, in their places."""
    client = Client(server.url)
    made = await jobs.make(client, delivery("mpeg4"), start=True)
    child = await stopped_inspection(server.pid, program=b"providers.joining")
    server.kill()
    os.kill(child, signal.SIGCONT)
    await eventually(lambda: not runs(child))
    await asyncio.to_thread(server.start)
    scene = await settled_scene(client, made)
    (take,) = scene["takes"]
    names = [scene["output"]["url"], scene["poster"]["url"], scene["preview"]["url"], take["original"]["url"]]
    log = await changes(client, made.id, 0)
    await client.close()
    assert stored(server, made) == {url.rpartition("/")[2] for url in names}
    assert [kind for kind, _ in log].count("SCENE_COMPLETED") == 1


async def stopped_inspection(server: int, program: bytes = b"providers.inspection") -> int:
    """Stop the process that looks at a clip. Return its id."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            for child in children_of(server):
                with suppress(OSError):
                    if program in command_line(child):
                        os.kill(child, signal.SIGSTOP)
                        return child
            await asyncio.sleep(0.002)


async def settled_scene(client: Client, made: jobs.Made) -> Json:
    """Wait until the job is settled. Return its only scene."""
    await jobs.settled(client, made.id)
    (scene,) = (await jobs.job(client, made.id, SCENE))["scenes"]["nodes"]
    return scene


def stored(server: ServerProcess, made: jobs.Made) -> set[str]:
    """Return the names of the files of the job's only scene."""
    return {file.name for file in (server.folder / "media" / made.id / made.scenes[0]).iterdir()}
