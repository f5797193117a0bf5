"""Fair scheduling of the input of many connections, so that together they do not block the event loop.

An event loop handles all sockets that are readable in one pass. Each of hundreds of connections may keep within its own
limits, and together they would still block the loop for a second.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

TURN_SECONDS: Final = 0.005
"""How long input is parsed in one pass of the event loop."""

Read = Callable[[], bool]
"""Parses a small piece of the input of one connection; returns whether there is more."""


class ReadTurns:
    """The connections of one server whose input waits to be parsed, each one piece at a time."""

    def __init__(self) -> None:
        self._waiting: deque[Read] = deque()

    def add(self, read: Read) -> None:
        """Call `read` until it returns False, starting in the next pass of the event loop."""
        self._waiting.append(read)
        if len(self._waiting) == 1:
            self._schedule()

    def _schedule(self) -> None:
        asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        end = time.monotonic() + TURN_SECONDS
        try:
            while True:
                if self._waiting[0]():
                    self._waiting.rotate(-1)
                else:
                    self._waiting.popleft()
                if not self._waiting or time.monotonic() >= end:
                    return
        except BaseException:
            self._waiting.popleft()
            raise
        finally:
            if self._waiting:
                self._schedule()
