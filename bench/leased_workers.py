"""Cost of leased workers: 200 of them that poll an empty queue, a claim behind 10,000 other takes, and a take-over.

    .venv/bin/python -m bench.leased_workers

Workers wait 20 s for work, as they do by default. The CPU time is that of the server's process,
less that of an idle one.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from bench.machine import cpu_seconds
from coordinator.leases.inputs import ClaimRequest, declared
from models.domain.access import LOCAL
from tests.support.client import NO_AUTHORITIES
from tests.support.leasing import a_leased_job, add_waiting
from tests.support.server_app import running
from tests.support.server_process import ServerProcess

WORKERS, WAIT_SECONDS, WATCHED_SECONDS = 200, 20, 60.0
CLAIMS = 20
TAKE_OVERS, LEASE_SECONDS = 8, 10


async def main() -> None:
    """Measure all three."""
    with tempfile.TemporaryDirectory() as folder:
        await polls(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        await claims(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        await take_overs(Path(folder))


async def polls(folder: Path) -> None:
    """Print the share of a core that waiting workers take."""
    server = ServerProcess(folder, provider="leased", warm=False).start()
    try:
        idle = await _share(server)
        limits = httpx.Limits(max_connections=WORKERS)
        async with httpx.AsyncClient(base_url=server.url, timeout=60.0, verify=NO_AUTHORITIES, limits=limits) as client:
            polling = [asyncio.create_task(_poll(client, number)) for number in range(WORKERS)]
            # The first calls make connections and workers.
            await asyncio.sleep(WAIT_SECONDS)
            busy = await _share(server)
            for task in polling:
                task.cancel()
            await asyncio.wait(polling)
    finally:
        server.kill()
    print(f"{WORKERS} workers on an empty queue: {100 * (busy - idle):.2f} % of a core")


async def _share(server: ServerProcess) -> float:
    before, began = cpu_seconds(server.pid), time.monotonic()
    await asyncio.sleep(WATCHED_SECONDS)
    return (cpu_seconds(server.pid) - before) / (time.monotonic() - began)


async def _poll(client: httpx.AsyncClient, number: int) -> None:
    # Not all at once.
    await asyncio.sleep(WAIT_SECONDS * number / WORKERS)
    body = {"worker": {"name": f"gpu-{number}", "models": ["wan"]}, "wait_seconds": WAIT_SECONDS}
    while True:
        (await client.post("/api/v3/leases/claim", json=body)).raise_for_status()


async def _stays() -> bool:
    return False


def _ms(seconds: Sequence[float]) -> str:
    return f"{1000 * statistics.median(seconds):.1f} ms"


async def claims(folder: Path) -> None:
    """Print how long a claim takes in an empty queue, and behind other takes in few jobs and in many."""
    async with running(folder) as app:
        command = app.container.coordinator.commands().claims
        request = ClaimRequest(declared("gpu", ["wan"], None, None), wait_seconds=0)

        async def measure(where: str) -> None:
            taken: list[float] = []
            waited: list[float] = []
            for _ in range(CLAIMS):
                await a_leased_job(app, settings={"model": "wan"})
                began, begun_at = time.process_time(), time.perf_counter()
                claimed = await command.claim(LOCAL, request, _stays)
                taken.append(time.process_time() - began)
                waited.append(time.perf_counter() - begun_at)
                assert len(claimed.granted) == 1
            print(
                f"claim {where}: {_ms(waited)} by the clock, slowest {1000 * max(waited):.1f} ms; {_ms(taken)} of CPU"
            )

        await measure("in an empty queue")
        other = await a_leased_job(app, settings={"model": "other"})
        await add_waiting(app, other, 50, 200)
        await measure("behind 10,000 takes in 50 jobs")
        await add_waiting(app, other, 10_000, 1)
        await measure("behind 20,000 takes in 10,050 jobs")


async def take_overs(folder: Path) -> None:
    """Print how long after the end of a lost lease its take is leased to a worker that waits."""
    async with running(folder, max_attempts=20) as app:
        command = app.container.coordinator.commands().claims
        await a_leased_job(app, TAKE_OVERS)
        lost = ClaimRequest(declared("lost", ["wan"], None, None), TAKE_OVERS, LEASE_SECONDS, 0)
        granted = (await command.claim(LOCAL, lost, _stays)).granted
        ends = {each.scene.id: each.scene.lease_expires_at for each in granted}
        assert len(ends) == TAKE_OVERS
        late: list[float] = []
        waiting = ClaimRequest(declared("waiting", ["wan"], None, None), TAKE_OVERS, 600, 30)
        while len(late) < TAKE_OVERS:
            for each in (await command.claim(LOCAL, waiting, _stays)).granted:
                end = ends[each.scene.id]
                assert end is not None
                late.append((each.lease.claimed_at - end).total_seconds())
    print(f"take-over after the end of a lease: {statistics.median(late):.2f} s, slowest {max(late):.2f} s")


if __name__ == "__main__":
    asyncio.run(main())
