"""All fault scenarios, in full: `python -m tests.faults [--seed N] [NAME ...]`. Exit status 1 when one fails."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.faults import (
    frozen_stop,
    lost_leases,
    lost_notifications,
    lost_workers,
    orphaned_tasks,
    postgres_outages,
    shutdown,
    sqlite_faults,
)
from tests.support.postgres import Databases, Postgres

Run = Callable[[Path, Databases, random.Random], object]

RUNS: dict[str, Run] = {
    "workers": lambda folder, databases, randomness: asyncio.run(
        lost_workers.run(folder, databases.create(), lost_workers.Size(300, 4, 30, 30, 3.0, 9.0), randomness)
    ),
    "leases": lambda folder, databases, randomness: asyncio.run(
        lost_leases.run(folder, databases.create(), lost_leases.Size(6, 30, 30), randomness)
    ),
    "leases-sqlite": lambda folder, _, randomness: asyncio.run(
        lost_leases.run(folder, lost_leases.file_url(folder), lost_leases.Size(6, 30, 30), randomness)
    ),
    "notifications": lambda folder, databases, randomness: asyncio.run(
        lost_notifications.run(folder, databases.create(), lost_notifications.Size(200, 20, 2), randomness)
    ),
    "outages": lambda folder, _, randomness: asyncio.run(
        postgres_outages.run(folder, postgres_outages.Size(10, 6.0), randomness)
    ),
    "frozen-stop": lambda folder, _, __: asyncio.run(frozen_stop.run(folder)),
    "orphans": lambda folder, databases, _: asyncio.run(orphaned_tasks.run(folder, databases.create(), 60)),
    "shutdown": lambda folder, databases, randomness: asyncio.run(
        shutdown.run(folder, 10, randomness, database_url=databases.create())
    ),
    "shutdown-sqlite": lambda folder, _, randomness: asyncio.run(shutdown.run(folder, 10, randomness)),
    "locked": lambda folder, _, __: asyncio.run(sqlite_faults.locked(folder, 8.0)),
    "full-disk": lambda folder, _, __: asyncio.run(sqlite_faults.full(folder)),
    "file-size-limit": lambda folder, _, __: asyncio.run(sqlite_faults.full(folder, mounts=False)),
}


def main() -> int:
    """Run the named scenarios, or all; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(RUNS)}; default: all")
    arguments = parser.parse_args()
    write(f"--seed {arguments.seed}")
    postgres = Postgres()
    try:
        databases = Databases(postgres.start().url)
        sources = {name: random.Random(f"{arguments.seed} {name}") for name in arguments.names or RUNS}
        passed = [succeeds(name, databases, randomness) for name, randomness in sources.items()]
    finally:
        postgres.remove()
    return 0 if all(passed) else 1


def succeeds(name: str, databases: Databases, randomness: random.Random) -> bool:
    """Run a scenario and print what was measured; after a failure keep the logs of its processes."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{name}-"))
    try:
        outcome = RUNS[name](folder, databases, randomness)
    except Exception:
        traceback.print_exc()
        write(f"{name}: FAILED after {time.monotonic() - began:.0f} s; logs in {folder}")
        return False
    write(f"{name}: {outcome} in {time.monotonic() - began:.0f} s")
    return True


def write(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
