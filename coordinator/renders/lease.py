"""The lease of a render, extended by heartbeats; between them the claim is checked."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from typing import Never

from coordinator.renders import claims
from coordinator.renders.claims import Claim
from models.domain.errors import Unavailable
from models.writes.store import Store

# A render that lost its claim stops at most this much later.
CHECK_SECONDS = 0.5
HEARTBEATS_PER_LEASE = 6


async def hold(store: Store, claim: Claim, lease: timedelta) -> Never:
    """Keep the lease until the claim no longer holds. A lease of zero never expires: there is only one process.

    Raises TakenOver when another worker has the take, else Fenced.
    """
    heartbeat_seconds = lease.total_seconds() / HEARTBEATS_PER_LEASE
    extended_at = time.monotonic()
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        with suppress(Unavailable):
            if lease and time.monotonic() - extended_at >= heartbeat_seconds:
                await claims.heartbeat(store, claim, lease)
                extended_at = time.monotonic()
            else:
                await claims.check(store, claim)
