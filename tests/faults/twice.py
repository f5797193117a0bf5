"""A worker whose every result is delivered twice, as by a provider that repeats itself: `tests.faults.twice worker`.

It says under which name it claims scenes, so that those can be watched when it comes to harm.
"""

import sys
from datetime import timedelta
from typing import Any

from coordinator.commands.scene_progress import Fenced
from coordinator.renders import claims
from coordinator.renders.claims import Claim
from models.writes.change import Ticket
from models.writes.store import Store
from server.cli import app

once = claims.completed
quietly = claims.claim


async def twice(store: Store, held: Claim, files: dict[str, Any]) -> None:
    """Deliver; and again, which must be refused."""
    await once(store, held, files)
    try:
        await once(store, held, files)
    except Fenced:
        return
    raise AssertionError(f"{held.scene_id} was recorded twice")


async def aloud(store: Store, ticket: Ticket, worker: str, lease: timedelta) -> Claim | None:
    """Claim, and say who does."""
    sys.stderr.write(f"claims as {worker}\n")
    return await quietly(store, ticket, worker, lease)


if __name__ == "__main__":
    claims.completed = twice
    claims.claim = aloud
    app()
