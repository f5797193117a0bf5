"""The LISTEN connections of API processes are closed or frozen: subscribers still receive every change, in order."""

import asyncio
import os
import random
import signal
import statistics
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.support import jobs
from tests.support.client import Client, Stream
from tests.support.deployment import Deployment, client_of, deployed
from tests.support.job_feed import VERSIONS
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually

PAUSE_SECONDS = 0.1
# After a fault a process needs about this long to connect again and to catch up.
HEALING_SECONDS = 5.0
# A hint from another process must not take longer than one of the same process by more than this. Without hints, only
# the resync every four seconds would deliver, at two seconds on average.
HINT_SECONDS = 1.0


class Size(NamedTuple):
    """The number of changes, of closed and of frozen connections."""

    changes: int
    closes: int
    freezes: int


class Outcome(NamedTuple):
    """The median delays of changes made while no fault healed, and the longest delay of all, in seconds."""

    local: float
    remote: float
    longest: float


class Subscriber:
    """Records when it received each version."""

    def __init__(self) -> None:
        self.received_at: dict[int, float] = {}

    async def read(self, stream: Stream) -> None:
        """Read until cancelled; versions must have no gap."""
        while True:
            version = (await stream.next())["jobEvents"]["version"]
            received = self.received_at
            assert not received or version == max(received) + 1, f"{version} came after {max(received)}"
            received[version] = time.monotonic()

    def delays(self, acknowledged_at: dict[int, float]) -> dict[int, float]:
        """Return the seconds between acknowledgement and delivery, by version."""
        return {version: self.received_at[version] - at for version, at in acknowledged_at.items()}


async def run(folder: Path, database_url: str, size: Size, randomness: random.Random) -> Outcome:
    """Change a job through one process, with a subscriber of it and one of another, while connections are lost."""
    async with deployed(folder, database_url) as deployment, AsyncExitStack() as stack:
        processes = [*await asyncio.gather(deployment.api("one"), deployment.api("other"))]
        clients = [await stack.enter_async_context(client_of(each)) for each in processes]
        made = await jobs.make(clients[0], provider="external")
        local, remote = [await stack.enter_async_context(subscribed(each, made.id)) for each in clients]
        faulty = asyncio.create_task(inject(deployment, processes, size, randomness))
        acknowledged = await change(clients[0], made.id, size.changes)
        faults = await faulty
        acknowledged |= await change(clients[0], made.id, 5)
        await eventually(lambda: all(max(acknowledged) in each.received_at for each in (local, remote)))
    undisturbed = {version: at for version, at in acknowledged.items() if not heals(at, faults)}
    local_delay = median(local.delays(undisturbed).values())
    remote_delay = median(remote.delays(undisturbed).values())
    assert remote_delay <= local_delay + HINT_SECONDS, (
        f"hints take {remote_delay:.2f} s, local ones {local_delay:.2f} s"
    )
    return Outcome(local_delay, remote_delay, max(remote.delays(acknowledged).values()))


@asynccontextmanager
async def subscribed(client: Client, job_id: str) -> AsyncGenerator[Subscriber]:
    """A subscriber that reads in the background."""
    subscriber = Subscriber()
    async with client.subscribe(VERSIONS, id=job_id) as stream:
        reading = asyncio.create_task(subscriber.read(stream))
        try:
            yield subscriber
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


def median(delays: Iterable[float]) -> float:
    """Return the median; 0 for none."""
    return statistics.median([*delays] or [0.0])


def heals(at: float, faults: list[float]) -> bool:
    """Whether a change was made shortly after a fault."""
    return any(fault - PAUSE_SECONDS <= at <= fault + HEALING_SECONDS for fault in faults)


async def change(client: Client, job_id: str, changes: int) -> dict[int, float]:
    """Change a job several times; return when each version was acknowledged."""
    acknowledged: dict[int, float] = {}
    for number in range(changes):
        acknowledged[await jobs.retitle(client, job_id, f"{time.monotonic()} {number}")] = time.monotonic()
        await asyncio.sleep(PAUSE_SECONDS)
    return acknowledged


async def inject(
    deployment: Deployment, processes: list[ServerProcess], size: Size, randomness: random.Random
) -> list[float]:
    """Close or freeze the LISTEN connection of either process, spread over the changes; return when."""
    kinds = ["close"] * size.closes + ["freeze"] * size.freezes
    randomness.shuffle(kinds)
    faults: list[float] = []
    for kind in kinds:
        await asyncio.sleep(size.changes * PAUSE_SECONDS / len(kinds) * randomness.uniform(0.5, 1.0))
        pid = await listening_backend(deployment, randomness.choice(processes))
        faults.append(time.monotonic())
        if kind == "close":
            await deployment.rows("SELECT pg_terminate_backend($1)", pid)
        else:
            await freeze(pid)
            # It may have held a lock of Postgres that every NOTIFY needs.
            faults.append(time.monotonic())
    return faults


async def listening_backend(deployment: Deployment, process: ServerProcess) -> int:
    """Return the process id of the Postgres backend of the LISTEN connection, once there is one."""
    name = f"scenewire {process.pid} listener"
    found: list[int] = []

    async def is_connected() -> bool:
        rows = await deployment.rows("SELECT pid FROM pg_stat_activity WHERE application_name = $1", name)
        found.extend(int(row[0]) for row in rows)
        return bool(found)

    await eventually(is_connected)
    return found[-1]


async def freeze(pid: int) -> None:
    """Stop a backend without closing its connection, until the process gave the connection up."""
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(HEALING_SECONDS)
    os.kill(pid, signal.SIGCONT)
