"""Many subscribers of one job, some of whom never read: the others notice nothing."""

import asyncio
import statistics
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
from tests.support.waiting import eventually

HEALTHY, STALLED = 180, 20
STALL_SECONDS = 3.0
PAUSE_SECONDS = 0.1
CHANGES = 20
# The message about such a job is so long that a few of them fill what the kernel keeps for a socket.
PAD = {"pad": "x" * 14_000}

# Delays are compared with those before the stall, as both depend on the load of the machine in the same way.
MOST_TIMES_SLOWER, SLACK_SECONDS = 3, 0.05
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


def open_files(pid: int) -> int:
    """Return the number of open files of a process, sockets included (proc(5))."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def median_delay(acknowledged: dict[int, float], report: Report) -> float:
    """Return the median time from the acknowledgement of a change to the arrival of its event."""
    return statistics.median(
        max(0.0, arrived - at) for version, at in acknowledged.items() for arrived in report.arrivals[version]
    )


@on_linux
async def test_who_does_not_read_costs_nobody_else_anything(tmp_path: Path) -> None:
    """Not time, and little memory; and is cut off after a while."""
    async with stage(tmp_path) as scene:
        before = await change(scene, CHANGES)
        bytes_before = resident_bytes(scene.server.pid)
        files_before = open_files(scene.server.pid)
        await scene.subscribers.stall()
        stalled = await change(scene, CHANGES)
        bytes_stalled = resident_bytes(scene.server.pid)
        await eventually(lambda: open_files(scene.server.pid) <= files_before - STALLED)
        after = await change(scene, 1)
        report = await scene.subscribers.report(max(after))
    arrived = {version: len(times) for version, times in report.arrivals.items()}
    assert arrived == dict.fromkeys(before | stalled | after, HEALTHY)
    assert median_delay(stalled, report) <= MOST_TIMES_SLOWER * median_delay(before, report) + SLACK_SECONDS
    assert (bytes_stalled - bytes_before) / STALLED < STALLED_BYTES
    assert report.cut_off == STALLED
