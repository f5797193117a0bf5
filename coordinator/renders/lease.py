"""The lease of a render, extended by heartbeats; between them the claim is checked."""

import asyncio
import logging
import time
from datetime import timedelta
from typing import Never

from coordinator.commands.scene_progress import Fenced
from coordinator.renders import claims
from coordinator.renders.claim import Claim, check
from coordinator.retrying import retry_until_available
from models.db.cancellation import raise_if_cancelled
from models.domain.errors import Unavailable
from models.writes.store import Store

log = logging.getLogger(__name__)

# A render that lost its claim stops at most this much later.
CHECK_SECONDS = 0.5
HEARTBEATS_PER_LEASE = 6
# How long a release is retried while the database is unavailable.
RELEASE_SECONDS = 3.0


async def hold(store: Store, claim: Claim, lease: timedelta) -> Never:
    """Keep the lease until the claim no longer holds. A lease of zero never expires: there is only one process.

    Raises TakenOver when another worker has the take, else Fenced.
    """
    heartbeat_seconds = lease.total_seconds() / HEARTBEATS_PER_LEASE
    extended_at = time.monotonic()
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        try:
            if lease and time.monotonic() - extended_at >= heartbeat_seconds:
                await claims.heartbeat(store, claim, lease)
                extended_at = time.monotonic()
            else:
                await check(store, claim)
        except Unavailable as error:
            raise_if_cancelled(error)
        except Fenced:
            raise
        except Exception as error:
            raise_if_cancelled(error)
            log.exception("lease not extended", extra={"action": "render.lease_failed", "scene": claim.scene_id})
            await asyncio.sleep(heartbeat_seconds)


async def release(store: Store, claim: Claim) -> None:
    """Release the lease, so that the next worker need not wait for its end; log it when that fails."""
    try:
        await retry_until_available(lambda: claims.release(store, claim), give_up_after_seconds=RELEASE_SECONDS)
    except Unavailable:
        log.warning("render not released", extra={"action": "render.not_released", "scene": claim.scene_id})
