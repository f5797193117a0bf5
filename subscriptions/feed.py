"""The feed: a subscriber's bounded buffer of the updates of one job."""

from collections.abc import Callable
from typing import NamedTuple

from coordinator.live.reader import JobUpdate
from coordinator.signal import Signal
from models.db.rows import EventRow, JobRow, SceneRow
from models.domain.progress import ProgressSnapshot

EVENTS_BUFFERED = 256


class Lagged(NamedTuple):
    """The feed overflowed: the subscriber needs a snapshot in place of the dropped events."""


class Running(NamedTuple):
    """A running scene that made progress, and the progress of its job at the same moment."""

    scene: SceneRow
    snapshot: ProgressSnapshot


class Inaccessible(NamedTuple):
    """The job was deleted for good, or the subscriber has lost access."""


class Feed:
    """Buffers events in order, up to a limit, and of each running scene only the newest progress."""

    def __init__(self, limit: int = EVENTS_BUFFERED) -> None:
        self._limit = limit
        # A list, because an empty deque takes 620 bytes.
        self._events: list[EventRow] = []
        self._running: dict[str, Running] = {}
        # The version that the subscriber knows, and the version of the last dropped event after it (0: none).
        self._known = 0
        self._dropped = 0
        self._gone = False
        self._woken = Signal()
        self._interrupted = False
        self._handler: Callable[[], bool] | None = None
        self.latest: ProgressSnapshot | JobRow | None = None
        self.updates = 0
        """The number of updates so far."""

    def on_update(self, update: JobUpdate) -> None:
        """Buffer an update. On overflow, or behind a gap, the events are dropped, and the next message is Lagged."""
        self.updates += 1
        if update.is_gone:
            self._gone = True
        self.latest = update.snapshot or update.job or self.latest
        if update.snapshot is not None:
            for scene in update.running:
                self._running[scene.id] = Running(scene, update.snapshot)
        if self._running:
            for event in update.events:
                if event.scene_id is not None:
                    self._forget_unless_running(event.scene_id, update)
        known = self._known
        self._events += [event for event in update.events if event.version > known]
        misses = update.has_gap and update.events[0].version > self._known + 1
        if misses or len(self._events) > self._limit:
            self._dropped = self._events[-1].version
            self._events.clear()
        if self._handler is None or not self._handler():
            self._woken.set()

    def forget(self, version: int) -> None:
        """Drop everything that the state of the job at `version`, which the subscriber now has, includes."""
        self._known = version
        while self._events and self._events[0].version <= version:
            self._events.pop(0)
        if self._dropped <= version:
            self._dropped = 0
        self._running = {key: each for key, each in self._running.items() if each.snapshot.version >= version}

    def catch_up(self, version: int) -> bool:
        """Like `forget`; returns False when a later event was dropped, so that the log must be read again."""
        self.forget(version)
        return not self._dropped

    @property
    def empty(self) -> bool:
        """Whether nothing is pending."""
        return not (self._events or self._running or self._dropped or self._gone)

    async def next(self) -> EventRow | Running | Lagged | Inaccessible:
        """Wait for the next message: events go before progress."""
        while self.empty:
            self._woken.clear()
            await self._woken.wait()
        return self.take()

    def hand_over(self, handler: Callable[[], bool] | None) -> None:
        """Call `handler`, if there is one, after each update; if it returns True, nothing that waits is woken."""
        self._handler = handler

    def wake(self) -> None:
        """End the current `wait`, if anything is pending."""
        self._woken.set()

    def interrupt(self) -> None:
        """End the current or the next `wait`."""
        self._interrupted = True
        self._woken.set()

    async def wait(self) -> None:
        """Wait until something is pending, or for `interrupt`."""
        while self.empty and not self._interrupted:
            self._woken.clear()
            await self._woken.wait()
        self._interrupted = False

    def take(self) -> EventRow | Running | Lagged | Inaccessible:
        """Return the next message; something must be pending. Events go before progress."""
        if self._gone:
            return Inaccessible()
        if self._dropped:
            return Lagged()
        if self._events:
            return self._events.pop(0)
        return self._running.pop(next(iter(self._running)))

    def next_event(self) -> EventRow | None:
        """Return the next message, which stays pending, if it is an event."""
        return self._events[0] if self._events and not (self._gone or self._dropped) else None

    def _forget_unless_running(self, scene_id: str, update: JobUpdate) -> None:
        if all(scene.id != scene_id for scene in update.running):
            self._running.pop(scene_id, None)
