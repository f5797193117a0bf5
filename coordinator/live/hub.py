"""The hub: one reader per watched job, whatever the number of subscribers, and nothing held between messages.

A hint or tick from the bus wakes the job's reader; it reads what is new once and hands it to every watcher. Watchers
only remember; whoever is slow to take things out of a watcher costs nobody else anything.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

from coordinator.bus.port import Bus, Hint, Message, Resync
from coordinator.bus.waiting import until_set
from coordinator.live.dashboards import Dashboards
from models.db.rows import EventRow
from models.domain.access import SYSTEM, Viewer, may_see
from models.domain.errors import Unavailable
from models.domain.progress import ProgressSnapshot
from models.reads import queries
from models.reads.queries import JobHead, RunningScene
from models.writes.change import Tick
from models.writes.store import Store

log = logging.getLogger(__name__)

# Events are read this many at a time, fractions of running renders this often at most.
EVENTS_A_READ = 500
TICK_SECONDS = 0.1
# Every transport may lose hints: this often the versions of all watched jobs are compared with what was read.
RESYNC_SECONDS = 4.0
# What failed because the database was away is tried again this soon.
AGAIN_SECONDS = 0.5


class JobUpdate(NamedTuple):
    """What a reader found: new events, running scenes that got on, and how the job stands; None when it is gone."""

    events: Sequence[EventRow]
    running: Sequence[RunningScene]
    snapshot: ProgressSnapshot | None


GONE = JobUpdate((), (), None)


class Watcher(Protocol):
    """Somebody who wants the news of one job."""

    def on_update(self, news: JobUpdate) -> None:
        """Remember the news; must not wait."""
        ...


class Hub:
    """Joins watchers with the readers of their jobs."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._readers: dict[str, _Reader] = {}
        self.dashboards = Dashboards(store)
        self._resync: asyncio.Task[None] | None = None
        self._out_of_step = asyncio.Event()
        self._unlisten = bus.listen(self._heard)

    @property
    def watchers(self) -> int:
        """How many watchers there are."""
        return sum(len(reader.watchers) for reader in self._readers.values()) + len(self.dashboards)

    async def start(self) -> None:
        """Compare versions from time to time, from now on."""
        self._resync = asyncio.create_task(self._keep_in_step(), name="hub resync")

    async def stop(self) -> None:
        """Stop every reader."""
        self._unlisten()
        self.dashboards.stop()
        for reader in list(self._readers.values()):
            reader.stop()
        if self._resync is not None:
            self._resync.cancel()
            await asyncio.wait([self._resync])

    @asynccontextmanager
    async def join(self, job_id: str, watcher: Watcher, viewer: Viewer = SYSTEM) -> AsyncGenerator[None]:
        """Let the watcher hear everything that is committed from now on, as long as the viewer may see the job.

        So: join first, read the state or the log second, then drop what was heard of it already.
        """
        reader = self._readers.get(job_id)
        if reader is None:
            reader = self._readers[job_id] = _Reader(self._store, job_id)
        reader.watchers[watcher] = viewer
        try:
            await reader.ready.wait()
            yield
        finally:
            reader.watchers.pop(watcher, None)
            if not reader.watchers:
                reader.stop()
                if self._readers.get(job_id) is reader:
                    del self._readers[job_id]

    def _heard(self, message: Message) -> None:
        if isinstance(message, Resync):
            self._out_of_step.set()
            return
        reader = self._readers.get(message.job_id)
        if reader is not None:
            reader.wake(message)
        self.dashboards.on_update(message.job_id, ticked=isinstance(message, Tick))

    async def _keep_in_step(self) -> None:
        while True:
            await until_set(self._out_of_step, RESYNC_SECONDS)
            self._out_of_step.clear()
            try:
                await self.resync()
                await self.dashboards.resync()
            except Unavailable:
                await self._again()
            except Exception:
                log.exception("resync failed", extra={"action": "hub.resync"})
                await self._again()

    async def _again(self) -> None:
        await asyncio.sleep(AGAIN_SECONDS)
        self._out_of_step.set()

    async def resync(self) -> None:
        """Wake the readers of all watched jobs that have moved on unheard, and dismiss who may see theirs no longer."""
        watched = list(self._readers)
        if not watched:
            return
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
        self.position = 0
        self.ready = asyncio.Event()
        self._woken = asyncio.Event()
        self._hinted = asyncio.Event()
        self._ticked: set[str] = set()
        self._ticks_read_at = 0.0
        self._task = asyncio.create_task(self._run(), name=f"reader of {job_id}")

    def wake(self, message: Hint | Tick) -> None:
        """There is something to read."""
        if isinstance(message, Tick):
            self._ticked.add(message.scene_id)
        else:
            self._hinted.set()
        self._woken.set()

    def dismiss(self, job_head: JobHead) -> None:
        """For watchers who may not see the job as it stands, it is gone."""
        for watcher, viewer in tuple(self.watchers.items()):
            if not may_see(viewer, job_head):
                watcher.on_update(GONE)

    def stop(self) -> None:
        """Nobody watches any more."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            try:
                if not self.ready.is_set():
                    await self._find_position()
                await self._next()
            except Unavailable:
                await self._again()
            except Exception:
                log.exception("reading %s failed", self._job_id, extra={"action": "hub.reader"})
                await self._again()

    async def _again(self) -> None:
        await asyncio.sleep(AGAIN_SECONDS)
        self._hinted.set()
        self._woken.set()

    async def _find_position(self) -> None:
        async with self._store.read() as connection:
            job_head = (await queries.job_heads(connection, [self._job_id])).get(self._job_id)
        self.position = 0 if job_head is None else job_head.version
        self.ready.set()

    async def _next(self) -> None:
        await self._woken.wait()
        pause = self._ticks_read_at + TICK_SECONDS - time.monotonic()
        if pause > 0 and not self._hinted.is_set():
            await until_set(self._hinted, pause)
        self._woken.clear()
        self._hinted.clear()
        ticked, self._ticked = self._ticked, set()
        try:
            news = await self._read(ticked)
        except BaseException:
            self._ticked |= ticked
            raise
        if news.events:
            self.position = news.events[-1].version
        for watcher in tuple(self.watchers):
            watcher.on_update(news)
        if len(news.events) == EVENTS_A_READ:
            self._hinted.set()
            self._woken.set()

    async def _read(self, ticked: set[str]) -> JobUpdate:
        async with self._store.read() as connection:
            events = await queries.events_after(connection, self._job_id, self.position, EVENTS_A_READ)
            running: list[RunningScene] = []
            if ticked:
                self._ticks_read_at = time.monotonic()
                running = await queries.running_scenes(connection, list(ticked))
            snapshot = (await queries.progress_snapshots(connection, SYSTEM, [self._job_id])).get(self._job_id)
        return JobUpdate(events, running, snapshot)
