"""The hub: one reader per watched job, whatever the number of subscribers.

A hint or tick from the bus wakes the job's reader. It reads the new events once and fans them out to every watcher.
Watchers only store an update, so a slow subscriber slows neither the reader nor the others. No connection is held
between updates.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

from coordinator.bus.port import Bus, DeliveriesDue, Hint, Message, Resync
from coordinator.live.dashboards import Dashboards
from coordinator.retrying import run_when_woken, until_set
from coordinator.signal import Signal
from coordinator.tasks import Tasks
from models.db.rows import EventRow, SceneRow
from models.domain.access import SYSTEM, Viewer, may_see
from models.domain.progress import ProgressSnapshot
from models.reads import queries
from models.reads.queries import JobHead
from models.writes.change import Tick
from models.writes.store import Store

# Page size of a reader.
EVENTS_A_READ = 500
# Jobs that a resync compares at once: thousands of them in one statement would delay everything else.
JOBS_A_READ = 500
# Minimum interval between two reads that only fetch the progress of running renders.
TICK_SECONDS = 0.1
# A bus may lose hints, so the versions of all watched jobs are compared with the read positions at this interval.
RESYNC_SECONDS = 4.0


class JobUpdate(NamedTuple):
    """New events of a job, its running scenes that made progress, and its progress; None when the job is gone."""

    events: Sequence[EventRow]
    running: Sequence[SceneRow]
    snapshot: ProgressSnapshot | None


GONE = JobUpdate((), (), None)


class Watcher(Protocol):
    """A subscriber to the updates of one job."""

    def on_update(self, update: JobUpdate) -> None:
        """Store the update; must not block."""
        ...


class Hub:
    """Connects watchers to the readers of their jobs."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._readers: dict[str, _Reader] = {}
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
            reader = self._readers[job_id] = _Reader(self._store, job_id)
        reader.watchers[watcher] = viewer
        try:
            # Until the reader knows its position, a commit could fall between the caller's read and the first update.
            await reader.ready.wait()
            yield reader.position
        finally:
            reader.watchers.pop(watcher, None)
            if not reader.watchers:
                reader.stop()
                if self._readers.get(job_id) is reader:
                    del self._readers[job_id]

    def _on_message(self, message: Message) -> None:
        if isinstance(message, DeliveriesDue):
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
        async with self._store.read() as connection:
            job_heads = await queries.job_heads(connection, watched)
        for job_id in watched:
            reader, job_head = self._readers.get(job_id), job_heads.get(job_id)
            if reader is None:
                continue
            if job_head is not None:
                reader.dismiss(job_head)
            version = 0 if job_head is None else job_head.version
            if version != reader.position:
                reader.wake(Hint(job_id, version))


class _Reader:
    """Reads one job for all its watchers."""

    def __init__(self, store: Store, job_id: str) -> None:
        self._store = store
        self._job_id = job_id
        self.watchers: dict[Watcher, Viewer] = {}
        # The version up to which events were read.
        self.position = 0
        self.ready = asyncio.Event()
        self._hinted = Signal()
        self._ticked: set[str] = set()
        self._ticks_read_at = 0.0
        self._woken = Signal()
        # The first run determines the position.
        self._woken.set()
        run = run_when_woken(self._woken, self._run, name=f"reader of {job_id}", action="hub.reader")
        self._task = asyncio.create_task(run, name=f"reader of {job_id}")

    def wake(self, message: Hint | Tick) -> None:
        """Read soon: the job or one of its running scenes changed."""
        if isinstance(message, Tick):
            self._ticked.add(message.scene_id)
        else:
            self._hinted.set()
        self._woken.set()

    def dismiss(self, job_head: JobHead) -> None:
        """End the streams of watchers that have lost access."""
        for watcher, viewer in tuple(self.watchers.items()):
            if not may_see(viewer, job_head):
                watcher.on_update(GONE)

    def stop(self) -> None:
        """Stop reading; the last watcher has left."""
        self._task.cancel()

    async def _run(self) -> None:
        if not self.ready.is_set():
            await self._find_position()
            if not self._ticked:
                return
        await self._limit_tick_rate()
        self._woken.clear()
        self._hinted.clear()
        update = await self._read()
        if update.events:
            self.position = update.events[-1].version
        for watcher in tuple(self.watchers):
            watcher.on_update(update)
        if len(update.events) == EVENTS_A_READ:
            self._hinted.set()
            self._woken.set()

    async def _find_position(self) -> None:
        async with self._store.read() as connection:
            job_head = (await queries.job_heads(connection, [self._job_id])).get(self._job_id)
        self.position = 0 if job_head is None else job_head.version
        self.ready.set()

    async def _limit_tick_rate(self) -> None:
        """Wait for the rest of TICK_SECONDS when there are only ticks; a hint ends the wait."""
        pause = self._ticks_read_at + TICK_SECONDS - time.monotonic()
        if pause > 0 and not self._hinted.is_set():
            await until_set(self._hinted, pause)

    async def _read(self) -> JobUpdate:
        ticked, self._ticked = self._ticked, set()
        try:
            async with self._store.read() as connection:
                events = await queries.events_after(connection, self._job_id, self.position, EVENTS_A_READ)
                running: list[SceneRow] = []
                if ticked:
                    self._ticks_read_at = time.monotonic()
                    running = await queries.running_scenes(connection, list(ticked))
                snapshot = await queries.one(queries.progress_snapshots, connection, SYSTEM, self._job_id)
        except BaseException:
            self._ticked |= ticked
            raise
        return JobUpdate(events, running, snapshot)
