"""The deadline of the request that arrives on a connection."""

import asyncio
from collections.abc import Callable

from server.transports.limits import TransportLimits


class RequestDeadline:
    """Calls `on_timeout` when the head or the body of a request takes too long.

    `half_open` holds the deadlines of all connections of the server without a complete request head, the oldest first;
    above the limit, `abort` ends the oldest connection.
    """

    def __init__(
        self,
        limits: TransportLimits,
        half_open: "dict[RequestDeadline, None]",
        *,
        on_timeout: Callable[[], None],
        abort: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._half_open = half_open
        self._on_timeout = on_timeout
        self._abort = abort
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

    def expect_body(self) -> None:
        """Start the deadline of a body."""
        self._start(self._limits.body_seconds)

    def stop(self) -> None:
        """Stop the deadline, because the head or the body is complete."""
        self._half_open.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        self.stop()
        self._on_timeout()
