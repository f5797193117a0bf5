"""A limit of events in any minute, counted for many callers in constant time and without a thread.

The method is the sliding window counter of the library `limits`: of the fixed window before the current one, the part
counts that is still within the last `seconds`. The library itself takes a lock and three lookups for each event, and
starts a thread in every window of 10 ms, which takes longer than the rest of a small request.
"""

import math
import time
from collections.abc import Callable
from typing import Final

COUNTED_CALLERS: Final = 10_000
"""Above this number, new callers share one count, so that a million addresses do not get a million quotas."""

_OTHERS: Final = ""
_MARGIN_SECONDS: Final = 0.001


class SlidingWindow:
    """At most `limit` in any `seconds` for each caller.

    `clock` is monotonic: the system clock may be set back.
    """

    def __init__(self, limit: int, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._seconds = seconds
        self._clock = clock
        self._number: int = -1
        self._ends_at = -math.inf
        """The end of the current window, by the clock."""
        self._current: dict[str, int] = {}
        self._previous: dict[str, int] = {}

    def add(self, caller: str, amount: int) -> float | None:
        """Count an amount; return None, or when it exceeds the limit and is not counted, the seconds to wait."""
        now = self._clock()
        if now >= self._ends_at:
            self._begin_window(now)
        current, previous = self._current.get(caller, 0), self._previous.get(caller, 0)
        if not (current or previous) and len(self._current) + len(self._previous) > COUNTED_CALLERS:
            caller = _OTHERS
            current, previous = self._current.get(caller, 0), self._previous.get(caller, 0)
        # Few callers are so near their limit that it matters how much of the window before still counts.
        if previous + current + amount > self.limit:
            elapsed = now - self._number * self._seconds
            if math.floor(previous * (1 - elapsed / self._seconds) + current) + amount > self.limit:
                return self._wait(amount, elapsed, current, previous)
        self._current[caller] = current + amount
        return None

    def _begin_window(self, now: float) -> None:
        number = math.floor(now / self._seconds)
        self._previous = self._current if number == self._number + 1 else {}
        self._current = {}
        self._number = number
        self._ends_at = (number + 1) * self._seconds

    def _wait(self, amount: int, elapsed: float, current: int, previous: int) -> float:
        """Return after how many seconds the amount will be within the limit, if nothing else is counted."""
        most = self.limit - amount + 1
        if most <= 0:
            return self._seconds  # it never will be
        if current < most:
            passed = self._seconds * (1 - (most - current) / previous)
            return passed - elapsed + _MARGIN_SECONDS
        passed = self._seconds * (1 - most / current)
        return self._seconds - elapsed + passed + _MARGIN_SECONDS
