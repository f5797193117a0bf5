"""The slots of open websockets and event streams, of which each caller has a limited number.

A connection whose peer is dead holds its slot until its next missed ping. When its owner needs the slot before that,
typically to reconnect from a network or through a proxy that lost the old connection, the old one gives way.
"""

import asyncio
import logging
import time
from contextlib import AbstractContextManager
from typing import Final

from starlette.requests import HTTPConnection

from server.transports.connections.stream_control import StreamControl, stream_control
from server.transports.rate_limiter import RateLimiter, TooManyRequests

log = logging.getLogger(__name__)

PROBE_SECONDS: Final = 2.0
"""How long a live peer may take to answer a probe."""

POLL_SECONDS: Final = 0.02


class Slot:
    """The slot of one connection, held until `close`."""

    __slots__ = ("_all", "_caller", "_counted", "control")

    def __init__(
        self,
        counted: AbstractContextManager[None],
        control: StreamControl | None,
        slots: "dict[str, list[Slot]]",
        caller: str,
    ) -> None:
        """`counted` counts the connection, `slots` are those of all callers with a control. Raises TooManyRequests."""
        counted.__enter__()
        self._counted: AbstractContextManager[None] | None = counted
        self._all, self._caller = slots, caller
        self.control = control
        if control is not None:
            slots.setdefault(caller, []).append(self)

    def close(self) -> None:
        """Give the slot back; idempotent."""
        counted, self._counted = self._counted, None
        if counted is None:
            return
        counted.__exit__(None, None, None)
        if self.control is not None:
            of_caller = self._all[self._caller]
            of_caller.remove(self)
            if not of_caller:
                del self._all[self._caller]


class ConnectionSlots:
    """Takes slots from a rate limiter, and frees a slot of a dead peer when the caller has no other left."""

    def __init__(self, rate_limiter: RateLimiter) -> None:
        self._rate_limiter = rate_limiter
        self._slots: dict[str, list[Slot]] = {}

    async def take(self, connection: HTTPConnection) -> Slot:
        """Take a slot, held until the result is closed. Raises TooManyRequests.

        When all slots are taken, probe the caller's connections for at most PROBE_SECONDS, and drop the one whose peer
        has been silent longest if it does not answer.
        """
        try:
            return self._take(connection)
        except TooManyRequests:
            await self._make_room(self._rate_limiter.caller(connection))
        return self._take(connection)

    def _take(self, connection: HTTPConnection) -> Slot:
        counted, control = self._rate_limiter.connection_slot(connection), stream_control(connection.scope)
        return Slot(counted, control, self._slots, self._rate_limiter.caller(connection))

    async def _make_room(self, caller: str) -> None:
        """Probe the caller's peers until a slot is free or all have answered; else drop the one silent longest."""
        taken = len(self._slots.get(caller, ()))
        probed_at = time.monotonic()
        for slot in self._slots.get(caller, ()):
            if slot.control is not None:
                slot.control.probe()
        silent: Slot | None = None
        # Counted, not timed: answers that arrive while this process is delayed are read before the next poll.
        for _ in range(round(PROBE_SECONDS / POLL_SECONDS)):
            await asyncio.sleep(POLL_SECONDS)
            silent = self._silent_since(caller, probed_at)
            if silent is None or len(self._slots[caller]) < taken:
                return
        if silent is not None:
            self._drop(silent)

    def _silent_since(self, caller: str, instant: float) -> Slot | None:
        """Return the slot of the caller whose peer has been silent longest, if it has sent nothing since then."""
        slots = self._slots.get(caller, ())
        silent = {slot: slot.control.last_response_at() for slot in slots if slot.control is not None}
        oldest = min(silent, key=silent.__getitem__, default=None)
        return oldest if oldest is not None and silent[oldest] < instant else None

    def _drop(self, slot: Slot) -> None:
        log.info("Dropped a connection whose peer does not answer", extra={"action": "connection.dropped"})
        slot.close()
        if slot.control is not None:
            slot.control.abort()
