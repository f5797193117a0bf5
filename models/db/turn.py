"""A lock that its holder hands to the task that has waited longest.

An `asyncio.Lock` with `asyncio.timeout` takes some tenth of the time of a short change that waits for others.
"""

import asyncio
from collections import deque


class Turn:
    """What one task at a time has, first come first served."""

    __slots__ = ("_waiting", "is_taken")

    def __init__(self) -> None:
        self.is_taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many tasks wait for it."""
        return len(self._waiting)

    async def take(self, seconds: float | None = None) -> None:
        """Wait for it. Raises TimeoutError after `seconds`, if given."""
        if not self.is_taken:
            self.is_taken = True
            return
        loop = asyncio.get_running_loop()
        given: asyncio.Future[None] = loop.create_future()
        self._waiting.append(given)
        timer = None if seconds is None else loop.call_later(seconds, self._refuse, given)
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled() and given.exception() is None:
                self.give()
            self._forget(given)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def give(self) -> None:
        """Hand it to the task that has waited longest, if any waits."""
        while self._waiting:
            given = self._waiting.popleft()
            if not given.done():
                given.set_result(None)
                return
        self.is_taken = False

    def _refuse(self, given: asyncio.Future[None]) -> None:
        if not given.done():
            self._forget(given)
            given.set_exception(TimeoutError())

    def _forget(self, given: asyncio.Future[None]) -> None:
        if given in self._waiting:
            self._waiting.remove(given)
