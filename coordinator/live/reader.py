"""The reader of one watched job: it reads what the job's watchers have not received, once for all of them."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from coordinator.bus.port import Change, Hint
from coordinator.retrying import LONGEST_RETRY_SECONDS, RETRY_SECONDS, until_set
from coordinator.signal import Signal
from models.db.cancellation import raise_if_cancelled
from models.db.rows import EventRow, JobRow, SceneRow
from models.domain.access import SYSTEM, Viewer, may_see
from models.domain.errors import Unavailable
from models.domain.progress import ProgressSnapshot
from models.reads import queries
from models.reads.queries import JobHead
from models.writes.change import Tick
from models.writes.store import Store

log = logging.getLogger(__name__)

# Page size of a reader.
EVENTS_A_READ = 500
# Minimum interval between two reads that only fetch the progress of running renders.
TICK_SECONDS = 0.1


class JobUpdate(NamedTuple):
    """New events of a job, its running scenes that made progress, and its progress.

    Events that this process committed come with the job in place of its progress, as nothing was read for them.
    `has_gap`: events before these were pruned from the log before they were read.
    """

    events: Sequence[EventRow]
    running: Sequence[SceneRow]
    snapshot: ProgressSnapshot | None
    job: JobRow | None = None
    has_gap: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether the job is gone."""
        return self.snapshot is None and self.job is None


GONE = JobUpdate((), (), None)


class Watcher(Protocol):
    """A subscriber to the updates of one job."""

    def on_update(self, update: JobUpdate) -> None:
        """Store the update; must not block."""
        ...


class Reader:
    """Reads one job for all its watchers. It has a task only while there is something to read."""

    __slots__ = (
        "_hinted",
        "_is_reading",
        "_ready",
        "_store",
        "_task",
        "_ticked",
        "_ticks_read_at",
        "job_id",
        "position",
        "watchers",
    )

    def __init__(self, store: Store, job_id: str) -> None:
        self._store = store
        self.job_id = job_id
        self.watchers: dict[Watcher, Viewer] = {}
        # The version up to which the watchers have received events; None until it is known.
        self.position: int | None = None
        self._ready: asyncio.Event | None = None
        self._hinted = Signal()
        self._ticked: set[str] | None = None
        self._ticks_read_at = 0.0
        self._is_reading = False
        self._task: asyncio.Task[None] | None = None

    async def ready(self) -> int:
        """Wait until the position is known, and return it."""
        while self.position is None:
            if self._ready is None:
                self._ready = asyncio.Event()
            await self._ready.wait()
        return self.position

    def begin(self, position: int) -> None:
        """Set the position; everything after it is sent to the watchers."""
        self.position = position
        if self._ready is not None:
            self._ready.set()
            self._ready = None
        if self._ticked or self._hinted.is_set():
            self._start()

    def wake(self, message: Hint | Tick) -> None:
        """Read soon: the job or one of its running scenes changed. Events that follow the position are not read."""
        if isinstance(message, Tick):
            self._ticked = self._ticked or set()
            self._ticked.add(message.scene_id)
        elif isinstance(message, Change) and self._can_take(message):
            self.take(message)
            return
        else:
            self._hinted.set()
        self._start()

    def take(self, change: Change) -> None:
        """Send the events of a change of this process to the watchers, without reading them."""
        self._send(JobUpdate(change.events, (), None, change.job))

    def dismiss(self, job_head: JobHead) -> None:
        """End the streams of watchers that have lost access."""
        for watcher, viewer in tuple(self.watchers.items()):
            if not may_see(viewer, job_head):
                watcher.on_update(GONE)

    def stop(self) -> None:
        """Stop reading; the last watcher has left."""
        if self._task is not None:
            self._task.cancel()

    def _can_take(self, change: Change) -> bool:
        """Whether nothing is missing between the position and the events of a change."""
        return (
            self.position is not None
            and not (self._is_reading or self._hinted.is_set())
            and bool(change.events)
            and change.events[0].version == self.position + 1
        )

    def _start(self) -> None:
        if self._task is None and self.position is not None:
            self._task = asyncio.create_task(self._work(), name=f"reader of {self.job_id}")

    async def _work(self) -> None:
        """Read until nothing is left; after an error, try again."""
        pause = RETRY_SECONDS
        try:
            while self._hinted.is_set() or self._ticked:
                try:
                    await self._limit_tick_rate()
                    update = await self._read()
                    self._send(update)
                    if len(update.events) == EVENTS_A_READ:
                        self._hinted.set()
                    pause = RETRY_SECONDS
                except Unavailable as error:
                    raise_if_cancelled(error)
                    log.debug("%s waits: %s", self.job_id, error, extra={"action": "hub.reader.unavailable"})
                    await asyncio.sleep(RETRY_SECONDS)
                except Exception as error:
                    raise_if_cancelled(error)
                    extra = {"action": "hub.reader.failed"}
                    log.exception("reader of %s failed and is retried in %g s", self.job_id, pause, extra=extra)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_RETRY_SECONDS)
        finally:
            self._task = None

    def _send(self, update: JobUpdate) -> None:
        if update.events:
            self.position = update.events[-1].version
        for watcher in tuple(self.watchers):
            watcher.on_update(update)

    async def _limit_tick_rate(self) -> None:
        """Wait for the rest of TICK_SECONDS when there are only ticks; a hint ends the wait."""
        pause = self._ticks_read_at + TICK_SECONDS - time.monotonic()
        if pause > 0 and not self._hinted.is_set():
            await until_set(self._hinted, pause)

    async def _read(self) -> JobUpdate:
        position, hinted, ticked = self.position or 0, self._hinted.is_set(), self._ticked
        self._hinted.clear()
        self._ticked = None
        self._is_reading = True
        try:
            async with self._store.read() as connection:
                events = await queries.events_after(connection, self.job_id, position, EVENTS_A_READ)
                running: list[SceneRow] = []
                if ticked:
                    self._ticks_read_at = time.monotonic()
                    running = await queries.running_scenes(connection, list(ticked))
                snapshot = await queries.one(queries.progress_snapshots, connection, SYSTEM, self.job_id)
        except BaseException:
            if hinted:
                self._hinted.set()
            if ticked:
                self._ticked = ticked | (self._ticked or set())
            raise
        finally:
            self._is_reading = False
        has_gap = bool(events) and events[0].version > position + 1
        return JobUpdate(events, running, snapshot, has_gap=has_gap)
