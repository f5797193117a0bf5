"""All the harm that a deployment must survive, in full: `python -m tests.faults [--seed N] [NAME …]`.

Every number is one that is promised; the run ends with status 1 when one is not kept.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.faults import embedded, listening, outages, stopping, workers
from tests.support.postgres import Databases, Postgres

Run = Callable[[Path, Databases, random.Random], object]

RUNS: dict[str, Run] = {
    "workers": lambda folder, databases, chance: asyncio.run(
        workers.run(folder, databases.create(), workers.Size(300, 4, 30, 30, 3.0, 9.0), chance)
    ),
    "listening": lambda folder, databases, chance: asyncio.run(
        listening.run(folder, databases.create(), listening.Size(200, 20, 2), chance)
    ),
    "outages": lambda folder, _, chance: asyncio.run(outages.run(folder, outages.Size(10, 6.0), chance)),
    "stopping": lambda folder, databases, chance: asyncio.run(
        stopping.run(folder, 10, chance, database_url=databases.create())
    ),
    "stopping-embedded": lambda folder, _, chance: asyncio.run(stopping.run(folder, 10, chance)),
    "locked": lambda folder, _, __: asyncio.run(embedded.locked(folder, 8.0)),
    "full": lambda folder, _, __: asyncio.run(embedded.full(folder)),
}


def main() -> int:
    """Run what was asked for; answers the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(RUNS)}; all when left out")
    asked = parser.parse_args()
    say(f"--seed {asked.seed}")
    postgres = Postgres()
    try:
        databases = Databases(postgres.start().url)
        chances = {name: random.Random(f"{asked.seed} {name}") for name in asked.names or RUNS}
        kept = [survives(name, databases, chance) for name, chance in chances.items()]
    finally:
        postgres.remove()
    return 0 if all(kept) else 1


def survives(name: str, databases: Databases, chance: random.Random) -> bool:
    """Run one, and say what was measured; on failure the logs of its processes stay."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{name}-"))
    try:
        outcome = RUNS[name](folder, databases, chance)
    except Exception:
        traceback.print_exc()
        say(f"{name}: FAILED after {time.monotonic() - began:.0f} s; logs in {folder}")
        return False
    say(f"{name}: {outcome} in {time.monotonic() - began:.0f} s")
    return True


def say(line: str) -> None:
    """Say it at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
