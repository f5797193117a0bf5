"""Cost of durable commits on SQLite: changes per second and CPU per change, by number of concurrent writers.

    .venv/bin/python -m bench.commits [FOLDER]

Compares `synchronous=full` with shared commits (the default) to full without them, and to `synchronous=normal`, in
interleaved rounds. FOLDER chooses the disk, because the cost of a commit is that of an fsync there.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from sqlalchemy import event

from coordinator.commands.inputs import NewJob, NewScene
from coordinator.commands.jobs import Jobs
from coordinator.commands.policy import JobPolicy
from models import migrations
from models.db.database import Database
from models.db.transactions import OwnTransaction, Transaction
from models.domain.access import LOCAL
from models.domain.quota import Rate
from models.writes.store import Store
from tests.support.domain import RECOVERY_WINDOW

CHANGES = 320
WRITERS = (1, 8, 64)
ROUNDS = 5


class SeparateCommits(Database):
    """The database with a commit for each transaction."""

    @asynccontextmanager
    async def transaction(self, engine: object = None, job_lock: object = None) -> AsyncGenerator[Transaction]:
        """A transaction that waits for the connection of the writer, and commits by itself."""
        async with self.connect(self.writer) as connection:
            yield OwnTransaction(connection)


async def main() -> None:
    """Print one row for each number of writers: medians of all rounds, and the commits of one round."""
    kinds = {"full": (Database, "full"), "full, separate": (SeparateCommits, "full"), "normal": (Database, "normal")}
    print(f"{'writers':>8} {'kind':>16} {'changes/s':>10} {'CPU ms':>8} {'commits':>8}")
    with TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        for writers in WRITERS:
            results: dict[str, list[tuple[float, float, int]]] = {name: [] for name in kinds}
            for number in range(ROUNDS):
                for name, (kind, synchronous) in kinds.items():
                    file = Path(folder) / f"{name} {writers} {number}.db"
                    database = kind(f"sqlite+aiosqlite:///{file}", synchronous=synchronous)
                    results[name].append(await measure(database, writers))
            for name, rounds in results.items():
                rate, cpu, commits = (median(each) for each in zip(*rounds, strict=True))
                print(f"{writers:8} {name:>16} {rate:10.0f} {cpu:8.2f} {commits:8.0f}", flush=True)


async def measure(database: Database, writers: int) -> tuple[float, float, int]:
    """Return changes per second, CPU milliseconds per change, and the number of commits."""
    await migrations.upgrade(database)
    jobs = Jobs(Store(database), ["external"], "external", JobPolicy(3, RECOVERY_WINDOW, Rate(per_hour=0, burst=1)))
    job_ids = [await jobs.create(LOCAL, NewJob("A job", [NewScene("A kite")], "external")) for _ in range(writers)]
    commits = 0

    def on_commit(_connection: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(database.writer.sync_engine, "commit", on_commit)

    async def write(job_id: str) -> None:
        for number in range(CHANGES // writers):
            await jobs.update(LOCAL, job_id, {"title": f"Title {number}"}, None)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(write, job_ids))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    await database.close()
    return CHANGES / seconds, cpu * 1000 / CHANGES, commits


if __name__ == "__main__":
    asyncio.run(main())
