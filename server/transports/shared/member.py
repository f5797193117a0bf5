"""One subscriber of a group."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from starlette.requests import HTTPConnection
from strawberry.types import ExecutionResult

from server.transports.shared.message import SharedMessage

if TYPE_CHECKING:
    from server.transports.shared.group import Group
    from server.transports.shared.in_step import Block


class Outlet(Protocol):
    """The way to one subscriber."""

    @property
    def connection(self) -> HTTPConnection:
        """The handshake or the request."""
        ...

    @property
    def prefix(self) -> bytes:
        """The beginning of its messages; see `message_prefix`."""
        ...

    @property
    def write_frames(self) -> Callable[[bytes], bool]:
        """Writes whole frames, as `write` does."""
        ...

    @property
    def is_direct(self) -> bool:
        """Whether `write` can succeed. Otherwise the subscriber takes all its messages from `Member.messages`."""
        ...

    def write(self, payload: SharedMessage) -> bool:
        """Write a message to the socket; return False, without an effect, when its buffer is full or it is closed."""
        ...

    def write_all(self, payloads: Sequence[SharedMessage]) -> int:
        """Write messages as long as there is room; return how many were written."""
        ...

    def pump(self) -> None:
        """Start to send what `Member.messages` yields, until it ends."""
        ...


class PulledOutlet:
    """The way to a subscriber that takes its messages one by one."""

    is_direct = False
    prefix = b""

    def __init__(self, connection: HTTPConnection) -> None:
        self.connection = connection

    def write_frames(self, frames: bytes) -> bool:
        """Return False: nothing can be written."""
        return False

    def write(self, payload: SharedMessage) -> bool:
        """Return False: nothing can be written."""
        return False

    def write_all(self, payloads: Sequence[SharedMessage]) -> int:
        """Return 0: nothing can be written."""
        return 0

    def pump(self) -> None:
        """Do nothing: the messages are taken anyway."""


class State(Enum):
    """How a subscriber gets its messages."""

    JOINING = auto()
    """It waits for the state or for missed messages."""
    LIVE = auto()
    """The group writes each message to its socket."""
    BEHIND = auto()
    """It takes messages from the ring at its own pace."""
    COMPLETE = auto()
    """It takes what is left, then its stream ends."""
    LEFT = auto()
    """It gets nothing more."""


class Member:
    """One subscriber of a group. `number` and `version` are those of the last message that it has."""

    __slots__ = (
        "_changed",
        "_drained",
        "began_at",
        "block",
        "codes",
        "group",
        "has_first",
        "inbox",
        "last",
        "number",
        "outlet",
        "plain",
        "prefix",
        "pumping",
        "remade_until",
        "sent",
        "started_at",
        "state",
        "unpaid",
        "version",
    )

    def __init__(self, group: "Group", outlet: Outlet, version: int) -> None:
        self.group = group
        self.outlet = outlet
        self.prefix = outlet.prefix
        self.block: Block | None = None
        """What it shares with others that are in step; then `number` and `sent` are not its own."""
        self.state = State.JOINING
        self.number = 0
        self.version = version
        self.started_at = 0
        """The number of the group's newest message when this subscriber entered."""
        self.remade_until = 0
        """The number up to which messages are older than what it was shown, so that they are made again for it."""
        self.has_first = False
        """Whether it got a message: the first one carries the cost."""
        self.last: bytes | None = None
        """The last message, while the next one of the group may equal it."""
        self.plain = False
        """Whether it gets every message of the group unchanged."""
        self.pumping = not outlet.is_direct
        """Whether something consumes `messages`, so that nothing else may be sent."""
        self.inbox: deque[SharedMessage | ExecutionResult] | None = None
        self.unpaid = 0
        """The messages sent or in the inbox whose cost was not spent yet, because of the rate limit."""
        self.began_at = time.perf_counter()
        self.sent = 0
        """The messages that it was sent."""
        self.codes: tuple[str, ...] = ()
        """The codes of the errors that have ended its stream."""
        self._changed: asyncio.Event | None = None
        self._drained: asyncio.Future[None] | None = None

    def hand(self, payloads: Sequence[SharedMessage | ExecutionResult]) -> None:
        """Send messages that are only for this subscriber, before those of the group."""
        written = 0
        if not self.pumping and not self.unpaid:
            ready = [each for each in payloads if isinstance(each, SharedMessage)]
            if len(ready) == len(payloads):
                written = int(self.outlet.write(ready[0])) if len(ready) == 1 else self.outlet.write_all(ready)
                self.count_sent(written)
        if written < len(payloads):
            if self.inbox is None:
                self.inbox = deque()
            self.inbox.extend(payloads[written:])
            self.wake()

    def count_sent(self, messages: int) -> None:
        """Count messages that it was sent."""
        if messages:
            self.sent += messages
            self.group.streams.observer.sent(messages)

    def wake(self) -> None:
        """Let this subscriber take messages."""
        self._notify()
        if not self.pumping and self.state is not State.LEFT:
            self.pumping = True
            self.outlet.pump()

    @property
    def is_drained(self) -> bool:
        """Whether everything for it alone was taken and paid, or it has left."""
        return self.state is State.LEFT or not (self.inbox or self.unpaid)

    @property
    def has_last(self) -> bool:
        """Whether the result that ends its stream waits to be taken."""
        return bool(self.inbox) and isinstance(self.inbox[-1], ExecutionResult)

    async def drained(self) -> None:
        """Wait until `is_drained`; one caller at a time."""
        while not self.is_drained:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def leave(self) -> None:
        """Get nothing more; idempotent."""
        if self.state is not State.LEFT:
            self.state = State.LEFT
            self.inbox = None
            self.group.remove(self)
            self._notify()
            self.group.streams.has_left(self)

    async def messages(self) -> AsyncGenerator[SharedMessage | ExecutionResult]:
        """Yield what is to be sent, until the subscriber is live again or its stream is complete."""
        changed = self._changed = asyncio.Event()
        try:
            while self.state is not State.LEFT:
                while self.unpaid:
                    await self.group.spend_when_available()
                    self.unpaid = max(0, self.unpaid - 1)  # the end of the stream waives them
                self._notify()
                changed.clear()
                message = self._take()
                if message is not None:
                    self.count_sent(1)
                    yield message
                elif self.state is State.COMPLETE or self.group.resume(self):
                    return
                else:
                    await changed.wait()
        finally:
            self._changed = None
            if self.outlet.is_direct:
                self.pumping = False

    def _take(self) -> SharedMessage | ExecutionResult | None:
        """Return the next message; None when there is none yet."""
        if self.inbox:
            message = self.inbox.popleft()
            if not self.inbox:
                self.inbox = None
            return message
        if self.state not in (State.BEHIND, State.COMPLETE):
            return None
        return self.group.take(self)

    def _notify(self) -> None:
        if self._changed is not None:
            self._changed.set()
        if self._drained is not None and self.is_drained and not self._drained.done():
            self._drained.set_result(None)
