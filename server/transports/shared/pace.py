"""How many messages go into one write to each socket, and how soon the next write follows.

A write costs the same for one message as for several, and most of what a fan-out costs.
"""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, NamedTuple

from strawberry.types import ExecutionResult

from server.transports.shared.message import SharedMessage
from server.transports.shared.source import Value

MOST: Final = 16
"""The most messages in one write."""

BYTES: Final = 16_384
"""As soon as they have more bytes, nothing is added: a quarter of what a transport buffers before it counts as full."""

SECONDS: Final = 0.005
"""How long the first of them may wait for the others to be made."""

LONG_SECONDS: Final = 0.001
"""A group that has written to its sockets for longer than this rests for REST_FACTOR times as long before it writes
again, so that changes which follow each other quickly share a write, and the rest of the process gets its time."""

REST_FACTOR: Final = 2
REST_SECONDS: Final = 0.015
"""The longest rest: with the write before and the write after it, the longest delay of a message."""


class Made(NamedTuple):
    """A value, and the message that shows it."""

    value: Value
    message: SharedMessage


class Batch:
    """The messages of one write to each socket."""

    def __init__(self, most: int = MOST) -> None:
        self.made: list[Made] = []
        self._most = min(most, MOST)
        self._bytes = 0
        self._until = time.monotonic() + SECONDS
        self._has_errors = False
        self.is_last = False
        """Whether the stream ends after these messages."""
        self.result: ExecutionResult | None = None
        """The result that ends the stream, if there is one."""

    def add(self, value: Value, message: SharedMessage, *, has_errors: bool = False) -> None:
        """Add the newest message."""
        self.made.append(Made(value, message))
        self._bytes += len(message.body)
        self._has_errors = has_errors

    def end(self, result: ExecutionResult | None) -> None:
        """End the stream after the messages, with a result if given."""
        self.is_last, self.result = True, result

    @property
    def has_key(self) -> bool:
        """Whether the newest value has a key."""
        return bool(self.made) and self.made[-1].value.key is not None

    @property
    def is_full(self) -> bool:
        """Whether nothing may follow. Of a value with a key only the newest counts, so it waits for no others."""
        if self.is_last or not self.made:
            return self.is_last
        is_large = len(self.made) >= self._most or self._bytes > BYTES
        # After a failed read, the others of the same snapshot fail like it.
        waits = not self.has_key or self.made[-1].value.more_follow
        return is_large or not waits or self._has_errors or time.monotonic() > self._until


class Rests:
    """The rests of one group."""

    def __init__(self) -> None:
        self._until = 0.0

    async def rest(self) -> None:
        """Wait for the end of the rest, if one is left."""
        left = self._until - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)

    @contextmanager
    def writing(self, batch: Batch) -> Generator[None]:
        """The block that writes a batch to the sockets.

        No rest follows a value with a key: subscribers ask for the interval of latest values themselves.
        """
        began = time.monotonic()
        yield
        ended = time.monotonic()
        if ended - began > LONG_SECONDS and not batch.has_key:
            self._until = ended + min(REST_FACTOR * (ended - began), REST_SECONDS)
