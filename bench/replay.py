"""Cost of a replay: events per second of a job's event log, for 1 and 8 subscribers that reconnect at once.

    .venv/bin/python -m bench.replay

Compares the server with one that reads rows for every event.
"""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import jobs
from tests.support.client import Client
from tests.support.job_feed import FEED
from tests.support.server_process import ServerProcess

EVENTS = 400
SUBSCRIBERS = (1, 8)
MODULES = ("server", "bench.uncached_server")
ROUNDS = 3


async def main() -> None:
    """Print one row for each round and number of subscribers."""
    print(f"{'subscribers':>12} {'events/s':>10} {'no cache':>10} {'ratio':>6}")
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        servers = [
            await asyncio.to_thread(ServerProcess(Path(folder), module=module).start)
            for folder, module in zip((one, other), MODULES, strict=True)
        ]
        clients = [Client(server.url) for server in servers]
        try:
            logs = [await make_log(client) for client in clients]
            for subscribers in SUBSCRIBERS * ROUNDS:
                speed, uncached = [
                    await measure(client, job_id, subscribers) for client, job_id in zip(clients, logs, strict=True)
                ]
                print(f"{subscribers:12} {speed:10.0f} {uncached:10.0f} {speed / uncached:6.1f}", flush=True)
        finally:
            for client in clients:
                await client.close()
            for server in servers:
                server.stop()


async def make_log(client: Client) -> str:
    """Make a job of five scenes with EVENTS events after its first."""
    made = await jobs.make(client, *(jobs.scene() for _ in range(5)), provider="external")
    for number in range(EVENTS):
        await jobs.retitle(client, made.id, f"Title {number}")
    return made.id


async def measure(client: Client, job_id: str, subscribers: int) -> float:
    """Return the events per second of all subscribers together."""

    async def reconnect() -> None:
        async with client.subscribe(FEED, jobId=job_id, after=1) as stream:
            for _ in range(EVENTS):
                await stream.next()

    started = time.monotonic()
    await asyncio.gather(*(reconnect() for _ in range(subscribers)))
    return subscribers * EVENTS / (time.monotonic() - started)


if __name__ == "__main__":
    asyncio.run(main())
