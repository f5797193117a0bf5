"""The deadline of the request that arrives on a connection."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from server.transports.limits import TransportLimits


class Flow(Protocol):
    """Whether the server reads from the connection at the moment."""

    read_paused: bool


class RequestDeadline:
    """Calls `on_timeout` when the head or the body of a request takes too long.

    `half_open` holds the deadlines of all connections of the server without a complete request head, the oldest first;
    above the limit, `abort` ends the oldest connection. The body of an upload has no deadline, but must not stop to
    arrive while the server reads it.
    """

    def __init__(
        self,
        limits: TransportLimits,
        half_open: "dict[RequestDeadline, None]",
        on_timeout: Callable[[], None],
        abort: Callable[[], None],
        flow: Flow,
    ) -> None:
        self._limits = limits
        self._half_open = half_open
        self._on_timeout = on_timeout
        self._abort = abort
        self._flow = flow
        # The monotonic time at which the last part of an upload arrived; None for anything else.
        self._arrived_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        """Whether a head or a body is expected."""
        return self._timer is not None

    @property
    def is_half_open(self) -> bool:
        """Whether a head is expected."""
        return self in self._half_open

    def expect_head(self) -> None:
        """Start the deadline of a head."""
        self._start(self._limits.header_seconds)
        if len(self._half_open) >= self._limits.half_open:
            oldest = next(iter(self._half_open))
            oldest.stop()
            oldest._abort()
        self._half_open[self] = None

    def expect_body(self, *, is_upload: bool) -> None:
        """Start the deadline of a body."""
        if is_upload:
            self._arrived_at = time.monotonic()
        self._start(self._limits.upload_stall_seconds if is_upload else self._limits.body_seconds)

    def add_content(self) -> None:
        """Postpone the deadline of an upload, because a part of it has arrived."""
        if self._arrived_at is not None:
            self._arrived_at = time.monotonic()

    def stop(self) -> None:
        """Stop the deadline, because the head or the body is complete."""
        self._half_open.pop(self, None)
        self._arrived_at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> None:
        """Stop, and refer to the connection no longer."""
        self.stop()
        self._on_timeout = self._abort = _nothing

    def _start(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        if self._is_arriving():
            self._start(self._limits.upload_stall_seconds)
            return
        self.stop()
        self._on_timeout()

    def _is_arriving(self) -> bool:
        """Return whether an upload arrives, or would if the server were faster."""
        if self._arrived_at is None:
            return False
        return self._flow.read_paused or time.monotonic() < self._arrived_at + self._limits.upload_stall_seconds


def _nothing() -> None:
    pass
