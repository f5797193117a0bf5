"""A subscriber's bounded memory of one job: what it has yet to be sent."""

import asyncio
from collections import deque
from typing import NamedTuple

from coordinator.live.hub import JobUpdate
from models.db.rows import EventRow
from models.domain.progress import ProgressSnapshot
from models.reads.queries import RunningScene

EVENTS_BUFFERED = 256


class Lagged(NamedTuple):
    """More happened than fits: the subscriber needs a snapshot in place of what was dropped."""


class Running(NamedTuple):
    """How far a running render is, with the reading of its job."""

    scene: RunningScene
    snapshot: ProgressSnapshot


class Gone(NamedTuple):
    """The job is no more."""


class Feed:
    """Remembers events in order, up to a limit, and of each running scene only the newest state."""

    def __init__(self, limit: int = EVENTS_BUFFERED) -> None:
        self._limit = limit
        self._events: deque[EventRow] = deque()
        self._running: dict[str, Running] = {}
        # The version that the subscriber has read, and that of the last event after it which did not fit, 0 for none.
        self._known = 0
        self._dropped = 0
        self._gone = False
        self._woken = asyncio.Event()
        self.latest: ProgressSnapshot | None = None

    def on_update(self, news: JobUpdate) -> None:
        """Remember the news; when they do not fit, only that there were too many."""
        if news.snapshot is None:
            self._gone = True
        else:
            self.latest = news.snapshot
            for scene in news.running:
                self._running[scene.id] = Running(scene, news.snapshot)
        for event in news.events:
            if event.scene_id is not None:
                self._forget_unless_running(event.scene_id, news)
        self._events.extend(event for event in news.events if event.version > self._known)
        if len(self._events) > self._limit:
            self._dropped = self._events[-1].version
            self._events.clear()
        self._woken.set()

    def forget(self, version: int) -> None:
        """Forget what the subscriber knows who has read the job at `version`."""
        self._known = version
        while self._events and self._events[0].version <= version:
            self._events.popleft()
        if self._dropped <= version:
            self._dropped = 0
        self._running = {key: each for key, each in self._running.items() if each.snapshot.version >= version}

    def catch_up(self, version: int) -> bool:
        """Forget what is known at `version`; False when something after it was dropped, and is to be read again."""
        self.forget(version)
        return not self._dropped

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be sent."""
        return not (self._events or self._running or self._dropped or self._gone)

    async def next(self) -> EventRow | Running | Lagged | Gone:
        """The next thing to send: what was logged goes before what was not."""
        while self.empty:
            self._woken.clear()
            await self._woken.wait()
        if self._gone:
            return Gone()
        if self._dropped:
            return Lagged()
        if self._events:
            return self._events.popleft()
        return self._running.pop(next(iter(self._running)))

    def _forget_unless_running(self, scene_id: str, news: JobUpdate) -> None:
        if all(scene.id != scene_id for scene in news.running):
            self._running.pop(scene_id, None)
