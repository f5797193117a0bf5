"""A worker whose every result is delivered twice, as by a provider that repeats itself: `tests.faults.twice worker`."""

from typing import Any

from coordinator import reports
from coordinator.fractions import Fenced
from coordinator.reports import Claim
from models.store import Store
from server.cli import app

once = reports.completed


async def twice(store: Store, held: Claim, files: dict[str, Any]) -> None:
    """Deliver; and again, which must be refused."""
    await once(store, held, files)
    try:
        await once(store, held, files)
    except Fenced:
        return
    raise AssertionError(f"{held.scene_id} was recorded twice")


if __name__ == "__main__":
    reports.completed = twice
    app()
