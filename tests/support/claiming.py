"""Claims the take of a ticket itself, whosever turn it is."""

from datetime import timedelta

from coordinator.renders import claims
from coordinator.renders.claim import Claim
from coordinator.renders.claims import NO_LEASE
from models.domain.access import SYSTEM
from models.reads import queries
from models.writes.change import Ticket
from models.writes.store import Store


async def claim_ticket(store: Store, ticket: Ticket, worker: str, lease: timedelta = NO_LEASE) -> Claim | None:
    """Claim the take; None for a stale ticket. Raises Snooze as `claims.claim` does."""
    async with store.read() as connection:
        scene = await queries.one(queries.scenes_by_id, connection, SYSTEM, ticket.scene_id)
    if scene is None or (scene.job_id, scene.take_number) != (ticket.job_id, ticket.take_number):
        return None
    return await claims.claim(store, ticket, worker, lease, scene)
