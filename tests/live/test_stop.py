"""A stop is not delayed by parts that hang: it logs what it gave up, and stops the rest in order."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from tests.support import jobs
from tests.support.client import Client
from tests.support.deployment import client_of
from tests.support.job_feed import FEED
from tests.support.s3 import BUCKET, Bucket, s3
from tests.support.server_process import ROOT, ServerProcess
from tests.support.waiting import TIMEOUT_SECONDS, eventually
from tests.support.webhook_calls import hook
from tests.support.webhook_receiver import hang, receiving

CANCEL = "cancelScene"


@asynccontextmanager
async def hanging(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *parts: str, **settings: Any
) -> AsyncGenerator[tuple[ServerProcess, Client]]:
    """Run a server of which these parts hang once they are used."""
    monkeypatch.setenv("HANGS", ",".join(parts))
    server = ServerProcess(folder, "serve", module="tests.support.hanging_server", provider="scripted", **settings)
    await asyncio.to_thread(server.start)
    try:
        async with client_of(server) as client:
            yield server, client
    finally:
        server.kill()


def given_up(server: ServerProcess) -> list[str]:
    """Return the parts that did not stop, in the order of the log."""
    return re.findall(r"\[stop\.gave_up\] .* part='?(.+?)'?$", server.log.read_text(), re.MULTILINE)


async def use_provider(client: Client) -> None:
    """Let the provider cancel an order."""
    made = await jobs.make(client, jobs.scene(outcome="stall", steps=1), start=True)

    async def is_submitted() -> bool:
        (scene,) = (await jobs.job(client, made.id, "scenes { nodes { providerId } }"))["scenes"]["nodes"]
        return scene["providerId"] is not None

    await eventually(is_submitted)
    await jobs.change(client, CANCEL, sceneId=made.scenes[0])


async def stopped(server: ServerProcess) -> int:
    """Stop the server; return its exit status. Raises TimeoutExpired when it does not end."""
    return await asyncio.to_thread(server.stop, within_seconds=TIMEOUT_SECONDS)


async def test_stop_leaves_behind_a_provider_that_ignores_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cancel and close never end. A bucket, a webhook receiver and a subscriber hang too, and are stopped."""
    async with s3(monkeypatch) as bucket, receiving() as receiver:
        settings = {"media_url": f"s3://{BUCKET}", "render_concurrency": 4}
        async with hanging(tmp_path, monkeypatch, "provider", **settings) as (server, client):
            receiver.answer = hang
            await hook(client, receiver.url)
            await jobs.make(client, provider="external", start=True)
            await receiver.count(1)
            await use_provider(client)
            with hanging_bucket(bucket) as requested:
                rendered = await jobs.make(client, start=True)
                await requested.wait()
                async with client.subscribe(FEED, jobId=rendered.id) as stream:
                    await stream.next()
                    await eventually(lambda: "hangs: provider" in server.log.read_text())
                    assert await stopped(server) == 0
        assert given_up(server)[0] == "provider scripted"
        assert all(part.startswith(("provider", "task")) for part in given_up(server))
        assert "render.detached" in server.log.read_text()


@contextmanager
def hanging_bucket(bucket: Bucket) -> Generator[asyncio.Event]:
    """Let a bucket answer nothing until the end of the block, failed or not; the event says that it was asked."""
    requested, over = asyncio.Event(), asyncio.Event()

    async def answer(_request: object) -> Response:
        requested.set()
        await over.wait()
        return Response(status_code=503)

    setattr(bucket, "_answer", answer)  # noqa: B010 # it is private
    try:
        yield requested
    finally:
        over.set()


async def test_stop_leaves_behind_a_stuck_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python cannot stop a thread; the process ends without it, and the next start resumes the render."""
    async with hanging(tmp_path, monkeypatch, "thread") as (server, client):
        await jobs.make(client, start=True)
        await eventually(lambda: "hangs: thread" in server.log.read_text())
        assert await stopped(server) == 0
    assert any(part.startswith("thread ") for part in given_up(server))


async def test_stop_of_a_blocked_event_loop_is_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be stopped in order: the process logs that and ends with status 1."""
    async with hanging(tmp_path, monkeypatch, "loop") as (server, client):
        # The answer may not come any more.
        using = asyncio.create_task(use_provider(client))
        await eventually(lambda: "hangs: loop" in server.log.read_text())
        assert await stopped(server) == 1
        await asyncio.wait([using])
        using.exception()
    assert "[stop.forced]" in server.log.read_text().splitlines()[-1]


FORCED_END = """
import logging, time
from server.processes.stopping import ForcedEnd
logging.basicConfig()
ForcedEnd(0.0).begin()
time.sleep(3_600)
"""


WORKER_OF_ANYIO = """
import asyncio, logging, sys, threading, time
import anyio.to_thread
from server.processes.stopping import end_what_is_left
logging.basicConfig(format="%(message)s")
started = threading.Event()
def work():
    started.set()
    time.sleep(float(sys.argv[1]))
async def main():
    await anyio.to_thread.run_sync(lambda: None)
    if sys.argv[1] != "0":
        working = asyncio.ensure_future(anyio.to_thread.run_sync(work))
        while not started.is_set():
            await asyncio.sleep(0.01)
    await end_what_is_left(float(sys.argv[2]))
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("works_for", "limit", "is_stuck"), [("0", "0.3", False), ("1", "30", False), ("3600", "0.3", True)]
)
def test_stop_gives_up_a_busy_thread_of_the_framework_only(works_for: str, limit: str, is_stuck: bool) -> None:
    """An idle one, which has read a file before, is ended, one that is reading after that; one that does not end within
    the limit, in seconds, is logged and left behind."""
    command = [sys.executable, "-c", WORKER_OF_ANYIO, works_for, limit]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ("thread AnyIO worker thread did not stop" in ended.stderr) is is_stuck


def test_forced_end_does_not_wait_for_its_log() -> None:
    """A pipe that is full and not read, such as that of a stuck log collector, blocks every line."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writing, bytes(65_536))
        os.set_blocking(writing, True)
        command = [sys.executable, "-c", FORCED_END]
        ended = subprocess.run(command, cwd=ROOT, stderr=writing, timeout=TIMEOUT_SECONDS, check=False)
    finally:
        os.close(reading)
        os.close(writing)
    assert ended.returncode == 1
