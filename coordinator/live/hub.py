"""The hub: one reader per watched job, whatever the number of subscribers.

A hint or tick from the bus wakes the job's reader. It reads the new events once and fans them out to every watcher;
those that this process committed come with the hint, and are not read. Watchers only store an update, so a slow
subscriber slows neither the reader nor the others. No connection is held between updates.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from coordinator.bus.port import Bus, DeliveriesDue, Hint, LeasedWork, Message, Resync, TokenRevoked
from coordinator.live.dashboards import Dashboards
from coordinator.live.positions import JOBS_A_READ, Positions
from coordinator.live.reader import Reader, Watcher
from coordinator.retrying import run_when_woken
from coordinator.tasks import Tasks
from models.domain.access import SYSTEM, Viewer
from models.reads import queries
from models.writes.change import Tick
from models.writes.store import Store

# A bus may lose hints, so the versions of all watched jobs are compared with the read positions at this interval.
RESYNC_SECONDS = 4.0
# Messages that no stream shows. A tuple, because a union in `isinstance` is made again for each message.
_NOT_LIVE = (DeliveriesDue, LeasedWork, TokenRevoked)


class Hub:
    """Connects watchers to the readers of their jobs."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._readers: dict[str, Reader] = {}
        self._positions = Positions(store)
        self.dashboards = Dashboards(store)
        self._resyncing = Tasks("live streams")
        self._resync_requested = asyncio.Event()
        self._unlisten = bus.listen(self._on_message)

    @property
    def watchers(self) -> int:
        """The number of watchers, dashboards included."""
        return sum(len(reader.watchers) for reader in self._readers.values()) + len(self.dashboards)

    async def start(self) -> None:
        """Start the periodic resync."""
        resync = run_when_woken(
            self._resync_requested, self._resync, name="hub resync", action="hub.resync", poll_seconds=RESYNC_SECONDS
        )
        self._resyncing.start(resync, "hub resync")

    async def stop(self) -> None:
        """Stop every reader."""
        self._unlisten()
        self.dashboards.stop()
        await self._positions.stop()
        for reader in list(self._readers.values()):
            reader.stop()
        await self._resyncing.stop()

    @asynccontextmanager
    async def join(self, job_id: str, watcher: Watcher, viewer: Viewer = SYSTEM) -> AsyncGenerator[int]:
        """Send the watcher every update committed after entering the block, as long as the viewer may see the job.

        The block receives a version: every later event is sent. To miss nothing, join first, read the state or the log
        second, then drop the updates that it already includes.
        """
        reader = self._readers.get(job_id)
        if reader is None:
            reader = self._readers[job_id] = Reader(self._store, job_id)
            self._positions.find(reader)
        reader.watchers[watcher] = viewer
        try:
            # Until the reader knows its position, a commit could fall between the caller's read and the first update.
            yield await reader.ready()
        finally:
            reader.watchers.pop(watcher, None)
            if not reader.watchers:
                reader.stop()
                if self._readers.get(job_id) is reader:
                    del self._readers[job_id]

    def _on_message(self, message: Message) -> None:
        if isinstance(message, _NOT_LIVE):
            return
        if isinstance(message, Resync):
            self._resync_requested.set()
            return
        reader = self._readers.get(message.job_id)
        if reader is not None:
            reader.wake(message)
        self.dashboards.on_update(message.job_id, ticked=isinstance(message, Tick))

    async def _resync(self) -> None:
        if self._readers:
            await self._resync_readers()
        await self.dashboards.resync()

    async def _resync_readers(self) -> None:
        """Wake the readers whose position is stale, and end the streams of watchers that have lost access."""
        all_watched = list(self._readers)
        for start in range(0, len(all_watched), JOBS_A_READ):
            await self._resync_some(all_watched[start : start + JOBS_A_READ])

    async def _resync_some(self, watched: list[str]) -> None:
        job_heads = await queries.job_heads(self._store.database, watched)
        for job_id in watched:
            reader, job_head = self._readers.get(job_id), job_heads.get(job_id)
            if reader is None:
                continue
            if job_head is not None:
                reader.dismiss(job_head)
            version = 0 if job_head is None else job_head.version
            if version != reader.position:
                reader.wake(Hint(job_id, version))
