"""The share of a process's time that it may spend on compiling."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

BURST_SECONDS: Final = 5.0
SHARE: Final = 0.2


class CompileTime:
    """A token bucket of CPU time: `burst` seconds at once, and `share` of each second that passes.

    A short document whose fragments multiply takes 50 ms, and each request may bring another one. Without a bound such
    documents would occupy the process; beyond it they are executed without a plan, as each of them is used only once.
    """

    def __init__(
        self,
        burst: float = BURST_SECONDS,
        share: float = SHARE,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        self._burst = burst
        self._share = share
        self._clock = clock
        self._spent = spent
        self._left = burst
        self._counted_at = clock()

    @property
    def is_left(self) -> bool:
        """Whether something may be compiled now."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._counted_at) * self._share)
        self._counted_at = now
        return self._left > 0.0

    @contextmanager
    def counted(self) -> Generator[None]:
        """Count the time that the block takes."""
        started_at = self._spent()
        try:
            yield
        finally:
            self._left -= self._spent() - started_at
