"""Hundreds of clients of one address that connect at the same moment, with the package graphql-ws."""

import asyncio
import json
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support import client_programs, jobs, node_runtime
from tests.support.client import Json
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS


@pytest.fixture(scope="module")
def packages() -> None:
    """Install the npm packages of the clients."""
    client_programs.install()
    node_runtime.install()


class Crowd:
    """A process with many clients that follow one job."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def until_all_have(self, version: int) -> None:
        """Wait until every client has received this version; fail when one of them ends."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while (line := await self._next()) != {"version": version}:
                assert "end" not in line, line

    async def _next(self) -> Json:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the process ended"
        return json.loads(line)


@asynccontextmanager
async def crowd(app: App, job_id: str, clients: int) -> AsyncGenerator[Crowd]:
    """Run this many clients until the block ends."""
    process = await asyncio.create_subprocess_exec(
        node_runtime.node(),
        "--experimental-websocket",
        "--no-warnings",
        str(node_runtime.FOLDER / "crowd.js"),
        f"ws{app.url.removeprefix('http')}/graphql",
        job_id,
        str(clients),
        stdout=subprocess.PIPE,
    )
    try:
        yield Crowd(process)
    finally:
        process.kill()
        await process.wait()


def cut(app: App) -> int:
    """Abort the TCP connections of all websockets; return their number."""
    connections = list(app.container.connections)
    for connection in connections:
        connection.abort()
    return len(connections)


@pytest.mark.waiting
@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("clients", "settings"),
    [
        pytest.param(400, {}, id="400_clients"),
        pytest.param(80, {"limit_pending": 20}, id="more_clients_than_may_be_pending"),
    ],
)
async def test_clients_of_one_address_that_start_at_once_are_all_subscribed(
    tmp_path: Path, clients: int, settings: Json
) -> None:
    """With the settings of docs/live.md and with the defaults of graphql-ws; also after all connections are cut."""
    async with running(tmp_path, **settings) as app:
        made = await jobs.make(app, provider="external")
        version = await jobs.retitle(app, made.id, "Before")
        async with crowd(app, made.id, clients) as followers:
            await followers.until_all_have(version)
            assert cut(app) == clients
            version = await jobs.retitle(app, made.id, "After")
            await followers.until_all_have(version)
