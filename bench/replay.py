"""What it costs to come back: events a second of a replayed log, for 1 and 8 subscribers who come back at once.

    .venv/bin/python -m bench.replay

Side by side: as it is, and with rows read anew for every event.
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
MODULES = ("server", "bench.forgetful")
ROUNDS = 3


async def main() -> None:
    """Print one row for each round and number of subscribers."""
    print(f"{'subscribers':>12} {'events/s':>10} {'read anew':>10} {'ratio':>6}")
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        servers = [
            await asyncio.to_thread(ServerProcess(Path(folder), module=module).start)
            for folder, module in zip((one, other), MODULES, strict=True)
        ]
        clients = [Client(server.url) for server in servers]
        try:
            logs = [await a_log(client) for client in clients]
            for subscribers in SUBSCRIBERS * ROUNDS:
                speed, anew = [
                    await measure(client, job_id, subscribers) for client, job_id in zip(clients, logs, strict=True)
                ]
                print(f"{subscribers:12} {speed:10.0f} {anew:10.0f} {speed / anew:6.1f}", flush=True)
        finally:
            for client in clients:
                await client.close()
            for server in servers:
                server.stop()


async def a_log(client: Client) -> str:
    """A job of five scenes about which there is much to tell."""
    made = await jobs.make(client, *(jobs.scene() for _ in range(5)), provider="external")
    for number in range(EVENTS):
        await jobs.retitle(client, made.id, f"Title {number}")
    return made.id


async def measure(client: Client, job_id: str, subscribers: int) -> float:
    """Events a second, of all subscribers together."""

    async def come_back() -> None:
        async with client.subscribe(FEED, jobId=job_id, after=1) as stream:
            for _ in range(EVENTS):
                await stream.next()

    begun = time.monotonic()
    await asyncio.gather(*(come_back() for _ in range(subscribers)))
    return subscribers * EVENTS / (time.monotonic() - begun)


if __name__ == "__main__":
    asyncio.run(main())
