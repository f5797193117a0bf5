"""The service for leased workers in one process."""

import asyncio
from datetime import timedelta
from typing import Never

from coordinator.assets.input_files import InputFiles
from coordinator.assets.uploads import Uploads
from coordinator.bus.port import Bus, LeasedWork
from coordinator.leases import registry
from coordinator.leases.claiming import Claiming
from coordinator.leases.claims import Claims
from coordinator.leases.deps import LeaseDeps
from coordinator.leases.leases import Leases
from coordinator.leases.passed_over import Counts
from coordinator.leases.registry import Registry
from coordinator.leases.sweep import Sweep
from coordinator.leases.waiting import WaitingRoom
from coordinator.renders.limits import Limits
from models.domain.leases import KEPT
from models.writes.store import Store


class Leasing:
    """Makes the commands of leased workers, and ends expired leases.

    `at_once` limits the leased takes that are rendered at once, over all processes; 0: no limit. A delivered clip has
    at most `most_bytes`.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        uploads: Uploads,
        limits: Limits,
        input_files: InputFiles | None = None,
        *,
        most_bytes: int,
        at_once: int = 0,
    ) -> None:
        self._store = store
        self._registry = Registry(store)
        self._room = WaitingRoom(bus)

        def on_freed() -> None:
            if at_once:
                bus.publish(LeasedWork())

        self._sweep = Sweep(store, limits, on_freed)
        claiming = Claiming(store, uploads, most_bytes, at_once)
        self._deps = LeaseDeps(self._registry, self._room, claiming, bus, limits, Counts(), input_files)

    def claims(self, store: Store) -> Claims:
        """Return the claim command of one operation."""
        return Claims(store, self._deps, self.leases(store))

    def leases(self, store: Store) -> Leases:
        """Return the lease commands of one operation."""
        return Leases(store, self._deps)

    async def run(self) -> Never:
        """End lost leases, and record when workers were last seen."""
        while True:
            await self._registry.flush()
            await asyncio.sleep(await self._sweep.run())

    async def prune(self, kept: timedelta = KEPT) -> None:
        """Delete workers that were last seen before the retention span."""
        await registry.prune(self._store, kept)

    def close(self) -> None:
        """Answer all requests that wait for takes, because the process stops."""
        self._room.close()
