"""A lock that its holder hands to the task that has waited longest.

An `asyncio.Lock` with `asyncio.timeout` takes some tenth of the time of a short change that waits for others, and a
timer for each that waits still a hundredth.
"""

import asyncio
import math
from collections import deque
from typing import NamedTuple


class _Waiting(NamedTuple):
    given: asyncio.Future[None]
    until: float
    """When it is refused, by the clock of the loop."""


class Turn:
    """What one task at a time has, first come first served."""

    __slots__ = ("_timer", "_waiting", "is_taken")

    def __init__(self) -> None:
        self.is_taken = False
        self._waiting: deque[_Waiting] = deque()
        # For the first of those that were waiting when it was set; it stays when they are given their turn.
        self._timer: asyncio.TimerHandle | None = None

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
        until = math.inf if seconds is None else loop.time() + seconds
        self._waiting.append(_Waiting(given, until))
        self._refuse_at(until)
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled() and given.exception() is None:
                self.give()
            self._waiting = deque(each for each in self._waiting if each.given is not given)
            raise

    def give(self) -> None:
        """Hand it to the task that has waited longest, if any waits."""
        while self._waiting:
            given = self._waiting.popleft().given
            if not given.done():
                given.set_result(None)
                return
        self.is_taken = False

    def _refuse_at(self, until: float) -> None:
        """Refuse those that have waited too long at this time, unless that is done before anyway."""
        if until == math.inf or (self._timer is not None and self._timer.when() <= until):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(until, self._refuse)

    def _refuse(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            if each.until > now:
                self._waiting.append(each)
                self._refuse_at(each.until)
            elif not each.given.done():
                each.given.set_exception(TimeoutError())
