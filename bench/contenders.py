"""The servers that are measured, and how each is started."""

import sys
from pathlib import Path

from bench.data import ROOT
from bench.peers.install import installed, node
from bench.server import Launch
from server.settings import LONGEST_SECONDS

OURS, BEFORE, UNCACHED = "Scenewire", "before", "Scenewire without caches"
STRAWBERRY, MERCURIUS, YOGA, POSTGRAPHILE = "plain Strawberry", "Mercurius JIT", "GraphQL Yoga", "PostGraphile"
LIMIT = "hand-written"
# Of requests, and of their cost, in a minute: also for an older work tree, whose defaults a fast machine reaches.
NEVER_REACHED = 10**12


def ours(folder: Path, database: str, tree: Path = ROOT, **settings: object) -> Launch:
    """Return the server of a work tree, on an SQLite file or the URL of a Postgres."""
    given: dict[str, object] = {
        "database_url": database if "://" in database else f"sqlite+aiosqlite:///{database}",
        "media_url": folder / "media",
        "port": "{port}",
        # The measured documents are larger than the default limit of one request was.
        "limit_cost": 1_000_000,
        "limit_requests": NEVER_REACHED,
        "limit_cost_a_minute": NEVER_REACHED,
        "log_level": "warning",
        "regenerates_an_hour": 0,
        # The scenes that wait for reports have had the last one on the day when the data begins.
        "external_deadline_seconds": LONGEST_SECONDS,
        **settings,
    }
    environment = {f"SCENEWIRE_{name.upper()}": str(value) for name, value in given.items()}
    name = OURS if tree == ROOT else BEFORE
    return Launch(name, [sys.executable, "-m", "server"], tree, environment)


def peer(name: str, database: str) -> Launch:
    """Return a peer on the same database."""
    if name == STRAWBERRY:
        return Launch(name, [sys.executable, "-m", "bench.peers.plain_strawberry", database, "{port}"], ROOT)
    program = {MERCURIUS: "mercurius.js", YOGA: "yoga.js", POSTGRAPHILE: "postgraphile.js"}[name]
    return Launch(name, [node(), program, _libpq(database), "{port}"], installed(), {"NODE_ENV": "production"})


def limit(kind: str, database: str) -> Launch:
    """Return the hand-written program of one kind: reads, writes or frames."""
    return Launch(LIMIT, [sys.executable, "-m", f"bench.limits.{kind}", database, "{port}"], ROOT)


def _libpq(database: str) -> str:
    """Return the URL of a Postgres as other drivers than asyncpg read it; anything else unchanged."""
    return database.replace("postgresql+asyncpg://", "postgres://")
