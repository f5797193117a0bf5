"""Many subscribers of one job, some of whom never read: the others notice nothing."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support import jobs
from tests.support.client import Client
from tests.support.jobs import Made
from tests.support.os_processes import on_linux
from tests.support.server_process import ServerProcess
from tests.support.subscribers import Report, Subscribers

HEALTHY, STALLED = 180, 20
STALL_SECONDS = 3.0
PAUSE_SECONDS = 0.1
CHANGES = 20
# The message about such a job is so long that a few of them fill what the kernel keeps for a socket.
PAD = {"pad": "x" * 14_000}

P99_SECONDS = 0.25
STALLED_BYTES = 300_000


class Stage(NamedTuple):
    """A server, and a job before its subscribers."""

    server: ServerProcess
    client: Client
    job: Made
    subscribers: Subscribers


@asynccontextmanager
async def stage(folder: Path) -> AsyncGenerator[Stage]:
    """In three processes, so that none measures what another does."""
    server = ServerProcess(folder, str(STALL_SECONDS), module="tests.support.short_stall_server")
    await asyncio.to_thread(server.start)
    client = Client(server.url)
    try:
        job = await jobs.make(client, provider="external", metadata=PAD)
        subscribers = await Subscribers.start(server.url, job.id, HEALTHY, STALLED)
        try:
            yield Stage(server, client, job, subscribers)
        finally:
            subscribers.kill()
    finally:
        await client.close()
        server.kill()


async def change(stage: Stage, times: int) -> dict[int, float]:
    """Change the job so many times; answers when each version was acknowledged."""
    answered: dict[int, float] = {}
    for number in range(times):
        version = await jobs.retitle(stage.client, stage.job.id, f"Title {number} {time.monotonic()}")
        answered[version] = time.monotonic()
        await asyncio.sleep(PAUSE_SECONDS)
    return answered


def resident_bytes(pid: int) -> int:
    """The memory of a process, without what it shares with others (proc(5))."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return 1024 * int(line.split()[1])
    raise AssertionError("no Private_Dirty")


def p99_delay(answered: dict[int, float], told: Report) -> float:
    """How long after the answer an event is there, for all but one in a hundred."""
    delays = sorted(
        max(0.0, arrived - answered[version]) for version, times in told.arrivals.items() for arrived in times
    )
    return delays[len(delays) * 99 // 100]


@on_linux
async def test_who_does_not_read_costs_nobody_else_anything(tmp_path: Path) -> None:
    """Not time, and little memory; and is cut off after a while."""
    async with stage(tmp_path) as scene:
        before_stalling = await change(scene, CHANGES)
        read_by_all = resident_bytes(scene.server.pid)
        await scene.subscribers.stall()
        stalled_at = time.monotonic()
        while_stalled = await change(scene, CHANGES)
        read_by_some = resident_bytes(scene.server.pid)
        await asyncio.sleep(stalled_at + 2 * STALL_SECONDS - time.monotonic())
        afterwards = await change(scene, 1)
        await asyncio.sleep(1.0)
        told = await scene.subscribers.report()
    answered = before_stalling | while_stalled | afterwards
    assert {version: len(times) for version, times in told.arrivals.items()} == dict.fromkeys(answered, HEALTHY)
    assert p99_delay(answered, told) < P99_SECONDS
    assert (read_by_some - read_by_all) / STALLED < STALLED_BYTES
    assert told.cut_off == STALLED
