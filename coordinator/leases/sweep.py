"""The sweep of leases: takes of lost workers are queued again, and takes beyond their deadline fail.
So do those that have lost as many workers as a scene has attempts.

Any process may look; each scene is looked at again under the lock of its job.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from coordinator.assets import uploads
from coordinator.leases import ends
from coordinator.renders.limits import Limits
from models.db import clock
from models.db.lease_tables import TAKE_LEASE
from models.domain.access import SYSTEM
from models.domain.errors import InvalidState, NotFound
from models.domain.leases import Outcome, is_over
from models.reads import leases
from models.reads.leases import OpenLease
from models.writes.store import Store

log = logging.getLogger(__name__)

# How often leases are looked at while there are any, and while there are none: one lasts at least 10 s.
BUSY_SECONDS = 0.5
IDLE_SECONDS = 5.0


class Sweep(NamedTuple):
    """Ends lost leases, and handles the takes of expired and late ones."""

    store: Store
    limits: Limits
    # Called when leases have ended whose takes do not wait again.
    on_freed: Callable[[], None]

    async def run(self) -> float:
        """Sweep once; return the seconds until the next sweep."""
        async with self.store.read() as connection:
            found = await leases.open_leases(connection)
            instant = await clock.current(connection) if found else clock.now()
        await self._end_lost([lease for lease in found if not lease.is_held])
        for lease in found:
            if lease.is_held and self._is_due(lease, instant):
                await self._end(lease)
        return BUSY_SECONDS if found else IDLE_SECONDS

    def _is_due(self, lease: OpenLease, instant: datetime) -> bool:
        return is_over(lease.expires_at, instant) or ends.is_late(lease.claimed_at, instant, self._deadline)

    @property
    def _deadline(self) -> timedelta:
        return timedelta(seconds=self.limits.deadline_seconds)

    async def _end_lost(self, lost: Sequence[OpenLease]) -> None:
        """End leases of takes that were canceled, regenerated or deleted meanwhile; discard what was uploaded."""
        if not lost:
            return
        hashes = [lease.token_hash for lease in lost]
        async with self.store.write() as connection:
            # Those that another process has are ended by it: waiting for several could end in a deadlock.
            still_open = TAKE_LEASE.c.token_hash.in_(hashes) & TAKE_LEASE.c.ended_at.is_(None)
            own = sa.select(TAKE_LEASE.c.token_hash).where(still_open).with_for_update(skip_locked=True)
            ending = set((await connection.execute(own)).scalars())
            ended = sa.update(TAKE_LEASE).where(TAKE_LEASE.c.token_hash.in_(ending))
            instant = await clock.current(connection)
            await connection.execute(ended.values(ended_at=instant, outcome=Outcome.LOST))
            files = [lease.upload_id for lease in lost if lease.upload_id and lease.token_hash in ending]
            await uploads.close(connection, files)
        self.on_freed()

    async def _end(self, lease: OpenLease) -> None:
        """Queue the take of a lost worker again; it fails if it is late or has lost too many workers."""
        try:
            async with self.store.change(lease.job_id, SYSTEM, scene_id=lease.scene_id) as change:
                scene = await change.scene(lease.scene_id)
                if not ends.holds(lease, scene):
                    return
                if ends.is_late(lease.claimed_at, change.now, self._deadline):
                    await ends.fail(
                        change,
                        lease,
                        scene,
                        code="TIMEOUT",
                        message=f"No result within {self.limits.deadline_seconds:g} seconds.",
                        retryable=True,
                        backoff_seconds=self.limits.backoff_seconds(scene.max_attempts - scene.attempts),
                    )
                elif is_over(scene.lease_expires_at, change.now):
                    await ends.lose(change, lease, scene, self.limits.max_attempts)
                else:
                    return
        except (NotFound, InvalidState):
            # The job was deleted meanwhile.
            return
        self.on_freed()
        log.info("lease ended", extra={"action": "lease.ended", "scene": lease.scene_id, "run": lease.run})
