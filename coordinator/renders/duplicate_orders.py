"""Orders that a take does not need: a worker that was frozen submits one after another worker has taken the take over.

The search for an earlier order cannot find one that is submitted after it.
"""

import asyncio
import time

from coordinator.renders.claim import Claim
from coordinator.retrying import retry_until_available
from models.db.cancellation import raise_if_cancelled
from models.db.rows import TakeRow
from models.domain.access import SYSTEM
from models.domain.errors import Unavailable
from models.domain.lifecycle import SceneStatus
from models.reads import queries
from models.writes.store import Store

# The pause between two looks at the take, while the worker that has taken it over searches for an order or submits one.
LOOK_SECONDS = 0.5
# How long it is looked; providers search for about as long.
GIVE_UP_AFTER_SECONDS = 180.0


async def is_duplicate(store: Store, held: Claim, provider_id: str) -> bool:
    """Return whether the take does not need this order, because it has another one or has ended without one.

    Wait until the worker that has taken the take over has recorded an order. False when that takes too long, and for a
    take that failed `unsettled`: the order may be the one that the next take searches for.
    """
    give_up_at = time.monotonic() + GIVE_UP_AFTER_SECONDS
    while True:
        try:
            take = await retry_until_available(
                lambda: _take(store, held.take_id), give_up_after_seconds=GIVE_UP_AFTER_SECONDS
            )
        except Unavailable as error:
            raise_if_cancelled(error)
            return False
        if take is None:
            return True
        if take.provider_id is not None:
            return take.provider_id != provider_id
        if take.status is not SceneStatus.PROCESSING:
            return not (take.failure and take.failure.get("unsettled", False))
        if time.monotonic() >= give_up_at:
            return False
        await asyncio.sleep(LOOK_SECONDS)


async def _take(store: Store, take_id: str) -> TakeRow | None:
    async with store.read() as connection:
        return await queries.one(queries.takes_by_id, connection, SYSTEM, take_id)
