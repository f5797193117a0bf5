"""Cost of durable commits on SQLite: changes per second and CPU per change, by number of concurrent writers.

    .venv/bin/python -m bench.commits [FOLDER]

Compares `synchronous=full` (the default) to `synchronous=normal`, in interleaved rounds. FOLDER chooses the disk,
because the cost of a commit is that of an fsync there.
"""

import asyncio
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from coordinator.commands.inputs import NewJob, NewScene
from coordinator.commands.jobs import Jobs
from coordinator.commands.policy import JobPolicy
from models import migrations
from models.db.database import Database
from models.domain.access import LOCAL
from models.domain.quota import Rate
from models.writes.store import Store
from tests.support.domain import RECOVERY_WINDOW

CHANGES = 320
WRITERS = (1, 8, 64)
ROUNDS = 5


async def main() -> None:
    """Print one row for each number of writers: medians of all rounds."""
    kinds = ("full", "normal")
    print(f"{'writers':>8} {'kind':>8} {'changes/s':>10} {'CPU ms':>8}")
    with TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        for writers in WRITERS:
            results: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
            for number in range(ROUNDS):
                for name in kinds:
                    file = Path(folder) / f"{name} {writers} {number}.db"
                    database = Database(f"sqlite+aiosqlite:///{file}", synchronous=name)
                    results[name].append(await measure(database, writers))
            for name, rounds in results.items():
                rate, cpu = (median(each) for each in zip(*rounds, strict=True))
                print(f"{writers:8} {name:>8} {rate:10.0f} {cpu:8.2f}", flush=True)


async def measure(database: Database, writers: int) -> tuple[float, float]:
    """Return changes per second, and CPU milliseconds per change."""
    await migrations.upgrade(database)
    jobs = Jobs(Store(database), ["external"], "external", JobPolicy(3, RECOVERY_WINDOW, Rate(per_hour=0, burst=1)))
    job_ids = [await jobs.create(LOCAL, NewJob("A job", [NewScene("A kite")], "external")) for _ in range(writers)]

    async def write(job_id: str) -> None:
        for number in range(CHANGES // writers):
            await jobs.update(LOCAL, job_id, {"title": f"Title {number}"}, None)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(write, job_ids))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    await database.close()
    return CHANGES / seconds, cpu * 1000 / CHANGES


if __name__ == "__main__":
    asyncio.run(main())
