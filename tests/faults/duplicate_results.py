"""A worker that records every result twice: `python -m tests.faults.duplicate_results worker`.

A provider may repeat its result; the second one must be fenced. The worker also logs the name under which it claims.
"""

import sys
from typing import Any

from coordinator.commands.scene_progress import Fenced
from coordinator.renders import claims
from coordinator.renders.claim import Claim
from models.writes.change import Ticket
from models.writes.store import Store
from server.cli import app

_completed = claims.completed
_claim = claims.claim


async def completed_twice(store: Store, held: Claim, files: dict[str, Any]) -> None:
    """Record a result, and again, which must be refused."""
    await _completed(store, held, files)
    try:
        await _completed(store, held, files)
    except Fenced:
        return
    raise AssertionError(f"{held.scene_id} was recorded twice")


async def logged_claim(store: Store, ticket: Ticket, worker: str, *others: Any) -> Claim | None:
    """Claim, and log the name of the worker."""
    sys.stderr.write(f"claims as {worker}\n")
    return await _claim(store, ticket, worker, *others)


if __name__ == "__main__":
    claims.completed = completed_twice
    claims.claim = logged_claim
    app()
