"""A job in memory that random subscribers of a shared group follow, and its source of messages."""

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from graphql import GraphQLError
from strawberry.types import ExecutionResult

from server.transports.shared.message import SharedMessage
from subscriptions.shared import END, SharedValue

RING = 8
FEED = 6


class World:
    """The job: its log of events, and the progress of its one render, which never falls."""

    def __init__(self, rng: random.Random, *, events_show_progress: bool, makes_at_once: bool = False) -> None:
        """`makes_at_once`: whether events are made without waiting, unless `has_to_wait`."""
        self.rng = rng
        self.events_show_progress = events_show_progress
        self.makes_at_once = makes_at_once
        self.has_to_wait = False
        self.taken = 0
        """The values that tasks of groups have asked for."""
        self.version = 1
        self.read = 1
        """The version up to which the reader has notified the sources."""
        self.progress = 0
        self.is_gone = False
        self.fails = False
        self.sources: set[Source] = set()

    def change(self) -> None:
        """Commit an event."""
        self.version += 1

    def tick(self) -> None:
        """Report progress."""
        self.progress += 1
        for source in self.sources:
            source.ticked(self.progress)

    def notify(self) -> None:
        """Send the sources the events that are new to the reader."""
        events = range(self.read + 1, self.version + 1)
        self.read = self.version
        for source in self.sources:
            source.on_events(events)

    def purge(self) -> None:
        """Remove the job."""
        self.is_gone = True
        for source in self.sources:
            source.on_events(())


class Source:
    """Makes the values of a group, with a random pause before each reads the job."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events: deque[int] = deque()
        self._ticked: int | None = None
        self._shown = 0
        self._position = 0
        self._known = 0
        self._woken = asyncio.Event()
        self._interrupted = False
        self._handler: Callable[[], bool] = lambda: False

    @property
    def ready(self) -> "Source | None":
        return self if self._world.makes_at_once else None

    def hand_over(self, handler: Callable[[], bool] | None) -> None:
        self._handler = handler or (lambda: False)

    def wake(self) -> None:
        self._woken.set()

    def peek(self) -> SharedValue | None:
        if self._world.is_gone or not self._events or len(self._events) > FEED or self._events[0] <= self._position:
            return None
        return self._event(self._events[0])

    def drop(self) -> None:
        self._position = self._events.popleft()

    def on_events(self, events: Sequence[int]) -> None:
        self._events.extend(version for version in events if version > self._known)
        self._notice()

    def ticked(self, progress: int) -> None:
        self._ticked = progress
        self._notice()

    def _notice(self) -> None:
        if not self._handler():
            self._woken.set()

    @asynccontextmanager
    async def joined(self) -> AsyncGenerator[int]:
        self._world.sources.add(self)
        try:
            await self._pause()
            self._position = self._world.read
            yield self._position
        finally:
            self._world.sources.discard(self)

    @property
    def pending(self) -> bool:
        return bool(self._events) or self._ticked is not None or self._world.is_gone

    async def wait(self) -> None:
        while not self.pending and not self._interrupted:
            self._woken.clear()
            await self._woken.wait()
        self._interrupted = False

    def interrupt(self) -> None:
        self._interrupted = True
        self._woken.set()

    async def finished(self) -> bool:
        return False

    @asynccontextmanager
    async def making_message(self) -> AsyncGenerator[None]:
        yield

    async def take(self) -> SharedValue | None:
        self._world.taken += 1
        if self._world.is_gone:
            return END
        if len(self._events) > FEED:
            self._events.clear()
            value = await self.state(lagged=True)
            if value is None:
                return END
            self._forget(value.version or 0)
            return value
        if self._events:
            version = self._events.popleft()
            if version <= self._position:
                return None
            self._position = version
            return await self.again(version)
        progress, self._ticked = self._ticked, None
        return await self.make(progress)

    async def make(self, received: object) -> SharedValue | None:
        self._shown = max(self._shown, cast("int", received))
        return SharedValue({"progress": self._shown}, key="scene", received=received)

    async def again(self, received: object) -> SharedValue:
        await self._pause()
        return self._event(cast("int", received))

    def _event(self, version: int) -> SharedValue:
        return SharedValue(self._value("event", version), version=version, received=version)

    async def states(self, *, lagged: bool) -> AsyncGenerator[SharedValue]:
        yield await self.state(lagged=lagged) or END

    async def state(self, *, lagged: bool) -> SharedValue | None:
        await self._pause()
        if self._world.is_gone:
            if lagged:
                return None
            raise LookupError
        value = self._value("lagged" if lagged else "initial", self._world.version)
        return SharedValue(value, version=self._world.version, is_snapshot=True)

    def missed(self, context: Any, after: int, is_covered: Callable[[int], bool]) -> "Missed":
        return Missed(self._world, after, is_covered)

    def _forget(self, version: int) -> None:
        """Drop the events that a state includes, as the feed does, so that they cannot overflow it again."""
        self._position = self._known = version
        self._events = deque(each for each in self._events if each > version)

    def continue_after(self, missed: "Missed") -> None:
        self._shown = max(self._shown, missed.shown)

    def _value(self, kind: str, version: object) -> dict[str, object]:
        if kind == "event" and not self._world.events_show_progress:
            return {"kind": kind, "version": version}
        self._shown = max(self._shown, self._world.progress)
        return {"kind": kind, "version": version, "progress": self._shown}

    async def _pause(self) -> None:
        for _ in range(self._world.rng.randrange(4)):
            await asyncio.sleep(0)


class Missed:
    """The events after a version."""

    def __init__(self, world: World, after: int, is_covered: Callable[[int], bool]) -> None:
        self._world = world
        self._position = after
        self._is_covered = is_covered
        self.shown = 0

    async def values(self) -> AsyncGenerator[SharedValue]:
        if self._position > self._world.version:
            self._position = self._world.version
            yield self._value("truncated")
        while True:
            page = range(self._position + 1, self._world.version + 1)
            for version in page:
                for _ in range(self._world.rng.randrange(8)):
                    await asyncio.sleep(0)
                self._position = version
                yield self._value("event")
            if self._is_covered(self._position):
                return
            await asyncio.sleep(0)

    def _value(self, kind: str) -> SharedValue:
        value: dict[str, object] = {"kind": kind, "version": self._position}
        if kind != "event" or self._world.events_show_progress:
            value["progress"] = self.shown = self._world.progress
        return SharedValue(value, version=self._position, is_snapshot=kind == "truncated")


class Execution:
    """Returns each value as its result; a group's first thing is to ask it for the source."""

    def __init__(self, world: World) -> None:
        self._world = world

    def source(self, sharing: object, field: object, selected: object) -> Source:
        return Source(self._world)

    async def execute(self, value: object) -> ExecutionResult:
        for _ in range(self._world.rng.randrange(2)):
            await asyncio.sleep(0)
        if self._world.fails:
            raise RuntimeError("the execution failed")
        return ExecutionResult(data=cast("dict[str, Any]", value), errors=None)

    def message_at_once(self, value: object) -> SharedMessage | None:
        waits = self._world.fails or self._world.has_to_wait
        return None if waits else SharedMessage(json.dumps({"data": value}).encode())

    def failure(self, error: Exception) -> ExecutionResult:
        return ExecutionResult(data=None, errors=[GraphQLError(str(error), original_error=error)])
