"""Cost of fan-out: delay and throughput of one job's events for 1, 50 and 200 subscribers over websocket.

    .venv/bin/python -m bench.fan_out

The delay is from the response of a mutation to the arrival of its event, with a change every PAUSE_SECONDS. The
throughput is in events per second, of all subscribers together, while one client makes changes as fast as it can.
"""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support import jobs
from tests.support.client import Client
from tests.support.server_process import ServerProcess
from tests.support.subscribers import Report, Subscribers

SUBSCRIBERS = (1, 50, 200)
CHANGES = 40
PAUSE_SECONDS = 0.2


async def main() -> None:
    """Print one row for each number of subscribers."""
    print(f"{'subscribers':>12} {'delay p50 ms':>13} {'p99 ms':>8} {'max ms':>8} {'events/s':>10}")
    with TemporaryDirectory() as folder:
        server = await asyncio.to_thread(ServerProcess(Path(folder), warm=False).start)
        client = Client(server.url)
        try:
            for subscribers in (*SUBSCRIBERS, *SUBSCRIBERS):
                delays = sorted(1000 * each for each in await measure_delays(client, subscribers))
                speed = await measure_throughput(client, subscribers)
                p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
                print(f"{subscribers:12} {p50:13.1f} {p99:8.1f} {delays[-1]:8.1f} {speed:10.0f}", flush=True)
        finally:
            await client.close()
            server.stop()


async def measure_delays(client: Client, subscribers: int) -> list[float]:
    """Return the delay in seconds between each response and each arrival of its event."""
    answered, report = await play(client, subscribers, PAUSE_SECONDS)
    return [max(0.0, arrived - answered[version]) for version, times in report.arrivals.items() for arrived in times]


async def measure_throughput(client: Client, subscribers: int) -> float:
    """Return the events per second while changes are made without a pause."""
    _, report = await play(client, subscribers, 0.0)
    times = [arrived for times in report.arrivals.values() for arrived in times]
    return len(times) / (max(times) - min(times))


async def play(client: Client, subscribers: int, pause_seconds: float) -> tuple[dict[int, float], Report]:
    """Change a job that has subscribers. Return the time of each acknowledgement, and the report of the subscribers."""
    made = await jobs.make(client, provider="external")
    process = await Subscribers.start(client.url, made.id, subscribers)
    answered: dict[int, float] = {}
    for number in range(CHANGES):
        version = await jobs.retitle(client, made.id, f"Title {number}")
        answered[version] = time.monotonic()
        await asyncio.sleep(pause_seconds)
    report = await process.report(max(answered))
    assert {version: len(times) for version, times in report.arrivals.items()} == dict.fromkeys(answered, subscribers)
    return answered, report


if __name__ == "__main__":
    asyncio.run(main())
