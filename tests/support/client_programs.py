"""The clients of the page on live streams, run as their readers run them: each in a process of its own."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support import javascript_clients, node_runtime
from tests.support.client import Json
from tests.support.server_process import ROOT
from tests.support.waiting import TIMEOUT_SECONDS

FOLDER = ROOT / "docs" / "clients"
NAMES = ("javascript", "apollo", "scenewire")
RUN_AS = {"javascript": "scenewire"}
LINE_BYTES = 2**24


class Follower:
    """The states, messages and job that a client has reported so far."""

    def __init__(self, process: asyncio.subprocess.Process, complaints: Path) -> None:
        self.states: list[str] = []
        self.messages: list[Json] = []
        self.job: Json = {}
        self.ends: list[object] = []
        self._ended = False
        self._process = process
        self._complaints = complaints
        self._changed = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @property
    def position(self) -> int:
        """The version up to which it has received everything."""
        return max((message.get("version", -1) for message in self.messages), default=-1)

    @property
    def events(self) -> list[Json]:
        """Version and type of each event, as in the log."""
        return [_only(each, "version", "type") for each in self.messages if each["__typename"] == "JobEvent"]

    @property
    def snapshots(self) -> list[Json]:
        """Version and reason of each snapshot."""
        return [_only(each, "version", "reason") for each in self.messages if each["__typename"] == "JobSnapshot"]

    async def until(self, true: Callable[["Follower"], bool]) -> None:
        """Wait until something is true of it."""
        async with asyncio.timeout(TIMEOUT_SECONDS), self._changed:
            await self._changed.wait_for(lambda: true(self) or self._ended)
        assert true(self), (self.states, self.ends, self.messages[-3:], self._complaints.read_text())

    async def stop(self) -> None:
        """Have it leave: its process ends when nothing is left running in it."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._process.wait()
        finally:
            if self._process.returncode is None:
                self._process.kill()
            await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._receive(json.loads(line))
            await self._notify()
        self._ended = True
        await self._notify()

    def _receive(self, line: Json) -> None:
        if "state" in line:
            if line["state"] != (self.states or [""])[-1]:
                self.states.append(line["state"])
        elif "end" in line:
            self.ends.append(line["end"])
        else:
            self.messages.append(line["message"])
            self.job = _without_typenames(line["job"])

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def following(address: str, job_id: str, folder: Path) -> AsyncGenerator[dict[str, Follower]]:
    """Every client of the page, following a job, by name. What they complain of is in `complaints`."""
    followers: dict[str, Follower] = {}
    try:
        for name in NAMES:
            path = folder / f"{name}.err"
            with path.open("wb") as complaints:
                process = await asyncio.create_subprocess_exec(
                    *_command(name), address, job_id, stdout=subprocess.PIPE, stderr=complaints, limit=LINE_BYTES
                )
            followers[name] = Follower(process, path)
        yield followers
    finally:
        await asyncio.gather(*(follower.stop() for follower in followers.values()))


async def every(followers: dict[str, Follower], true: Callable[[Follower], bool]) -> None:
    """Wait until something is true of each."""
    await asyncio.gather(*(follower.until(true) for follower in followers.values()))


def complaints(folder: Path) -> dict[str, str]:
    """What the clients wrote beside their lines."""
    return {name: (folder / f"{name}.err").read_text() for name in NAMES}


def install() -> None:
    """Install what the clients of Node import, and build the client of this repository."""
    node_runtime.install(FOLDER)
    javascript_clients.build()


def _command(name: str) -> list[str]:
    if name == "scenewire":  # the one for Python
        return [sys.executable, str(FOLDER / "run.py")]
    # Node 20 has the WebSocket of browsers behind this option; newer ones have it without.
    return [
        node_runtime.node(),
        "--experimental-websocket",
        "--no-warnings",
        str(FOLDER / "run.js"),
        RUN_AS.get(name, name),
    ]


def _only(message: Json, *names: str) -> Json:
    return {name: message[name] for name in names}


def _without_typenames(value: Json) -> Json:
    return json.loads(
        json.dumps(value), object_hook=lambda found: {k: v for k, v in found.items() if k != "__typename"}
    )
