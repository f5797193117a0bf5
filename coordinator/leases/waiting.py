"""The long poll: requests of workers that wait for takes."""

import asyncio
import math
import time
from collections.abc import Callable, Hashable

from coordinator.bus.port import Bus, LeasedWork, Message, Resync

# The most requests that search for takes at the same time, when all are woken together.
AT_ONCE = 2
# How long it counts that nothing was found: the hint of another process may have been lost.
NOTHING_SECONDS = 5.0
# How long a request waits before it searches again without a hint, which may have been lost with a connection.
LONGEST_PAUSE_SECONDS = 30.0


class WaitingRoom:
    """Where requests wait. Each message about leased work begins a new round, in which every request searches again."""

    def __init__(self, bus: Bus) -> None:
        self.round = 0
        self.closed = False
        # The number of takes that this process has leased.
        self.handed_out = 0
        self._next_round = asyncio.Event()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._found_nothing: tuple[int, dict[Hashable, float]] = (0, {})
        self._stop_listening: Callable[[], None] | None = bus.listen(self._on_message)

    @property
    def turns(self) -> asyncio.Semaphore:
        """Limits the number of requests that search at once."""
        return self._turns

    def nothing_for(self, kind: Hashable) -> bool:
        """Whether a request of this kind has found nothing in this round, so that no other will."""
        of_round, kinds = self._found_nothing
        return of_round == self.round and time.monotonic() - kinds.get(kind, -math.inf) < NOTHING_SECONDS

    def note_nothing_for(self, kind: Hashable, seen_round: int) -> None:
        """Note that a request of this kind, which began to search in a round, has found nothing."""
        if self._found_nothing[0] != self.round:
            self._found_nothing = (self.round, {})
        if seen_round == self.round:
            self._found_nothing[1][kind] = time.monotonic()

    async def changed_since(self, seen_round: int, seconds: float) -> None:
        """Wait for a later round, at most so many seconds."""
        if self.round != seen_round or self.closed:
            return
        next_round = self._next_round
        try:
            async with asyncio.timeout(min(seconds, LONGEST_PAUSE_SECONDS)):
                await next_round.wait()
        except TimeoutError:
            return

    def begin_round(self) -> None:
        """Wake all requests to search again."""
        self.round += 1
        self._next_round.set()
        self._next_round = asyncio.Event()

    def close(self) -> None:
        """End all waits, because the process stops."""
        self.closed = True
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        self.begin_round()

    def _on_message(self, message: Message) -> None:
        if isinstance(message, (LeasedWork, Resync)):
            self.begin_round()
