"""Fan-out to many subscribers of one job: those that do not read their sockets do not slow the others down."""

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
# Messages about such a job are so long that a few of them fill the kernel's buffer of a socket.
PAD = {"pad": "x" * 14_000}

# Delays are compared with those before the stall, as both depend on the load of the machine in the same way.
MOST_TIMES_SLOWER, SLACK_SECONDS = 3, 0.05
STALLED_BYTES = 300_000


class Deployment(NamedTuple):
    """A server, and a job with its subscribers."""

    server: ServerProcess
    client: Client
    job: Made
    subscribers: Subscribers


@asynccontextmanager
async def deployment(folder: Path) -> AsyncGenerator[Deployment]:
    """Run test, server and subscribers in three processes, so that none adds to the measurements of another."""
    server = ServerProcess(folder, str(STALL_SECONDS), module="tests.support.short_stall_server")
    await asyncio.to_thread(server.start)
    client = Client(server.url)
    try:
        job = await jobs.make(client, provider="external", metadata=PAD)
        subscribers = await Subscribers.start(server.url, job.id, HEALTHY, STALLED)
        try:
            yield Deployment(server, client, job, subscribers)
        finally:
            subscribers.kill()
    finally:
        await client.close()
        server.kill()


async def change(deployed: Deployment, times: int) -> dict[int, float]:
    """Change the job this number of times. Return the time at which each version was acknowledged."""
    acknowledged: dict[int, float] = {}
    for number in range(times):
        version = await jobs.retitle(deployed.client, deployed.job.id, f"Title {number} {time.monotonic()}")
        acknowledged[version] = time.monotonic()
        await asyncio.sleep(PAUSE_SECONDS)
    return acknowledged


def resident_bytes(pid: int) -> int:
    """Return the private memory of a process (proc(5))."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return 1024 * int(line.split()[1])
    raise AssertionError("no Private_Dirty")


def open_sockets(pid: int) -> int:
    """Return the number of open sockets of a process (proc(5)); files of the database are opened as needed."""
    return sum(link.is_socket() for link in Path(f"/proc/{pid}/fd").iterdir())


def median_delay(acknowledged: dict[int, float], report: Report) -> float:
    """Return the median time from the acknowledgement of a change to the arrival of its event."""
    return statistics.median(
        max(0.0, arrived - at) for version, at in acknowledged.items() for arrived in report.arrivals[version]
    )


@on_linux
async def test_stalled_subscribers_do_not_delay_the_others_and_are_disconnected(tmp_path: Path) -> None:
    """They use little memory of the server until then."""
    async with deployment(tmp_path) as deployed:
        before = await change(deployed, CHANGES)
        bytes_before = resident_bytes(deployed.server.pid)
        sockets_before = open_sockets(deployed.server.pid)
        await deployed.subscribers.stall()
        stalled = await change(deployed, CHANGES)
        bytes_stalled = resident_bytes(deployed.server.pid)
        await eventually(lambda: open_sockets(deployed.server.pid) <= sockets_before - STALLED)
        after = await change(deployed, 1)
        report = await deployed.subscribers.report(max(after))
    arrived = {version: len(times) for version, times in report.arrivals.items()}
    assert arrived == dict.fromkeys(before | stalled | after, HEALTHY)
    assert median_delay(stalled, report) <= MOST_TIMES_SLOWER * median_delay(before, report) + SLACK_SECONDS
    assert (bytes_stalled - bytes_before) / STALLED < STALLED_BYTES
    assert report.disconnected == STALLED
