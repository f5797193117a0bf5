"""Rate limits of each caller: sliding windows (library `limits`) in the memory of one process.

Each process counts its own requests, so N processes together admit N times as much.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Final
from weakref import WeakValueDictionary

from limits import RateLimitItem, RateLimitItemPerMinute, strategies
from limits.storage import MemoryStorage, memory
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import HTTPConnection

from schema.context import LIST_COST
from server.auth.identity import Identity
from server.setting_types import RateLimits
from server.transports.client_network import client_network
from server.transports.rate_limiter import TooManyRequests

COUNTED_CALLERS: Final = 10_000
"""Above this number, new callers share one count, so that a million addresses do not get a million quotas."""

LONG_READ_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 0.25

REST_COST: Final = 20
"""The cost of one REST call, which reads about as much as a GraphQL query of one page."""


class _MonotonicTime:
    """Takes the place of the module `time` in `limits`: windows are in memory, and the system clock may be set back."""

    time = staticmethod(time.monotonic)


for _module in (memory, strategies):
    vars(_module)["time"] = _MonotonicTime


class Rates:
    """Counts the requests, cost, connections and failed logins of every caller."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._storage = MemoryStorage()
        self._windows = SlidingWindowCounterRateLimiter(self._storage)
        self._requests = RateLimitItemPerMinute(limits.requests, namespace="requests")
        self._cost = RateLimitItemPerMinute(limits.cost, namespace="cost")
        self._failures = RateLimitItemPerMinute(limits.failed_logins, namespace="failures")
        self._open: Counter[str] = Counter()
        self._read_slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def request(self, connection: HTTPConnection) -> None:
        """Count one GraphQL operation or REST call. Raises TooManyRequests."""
        self._hit(self._requests, self.caller(connection), 1, "Too many requests")

    def spend(self, connection: HTTPConnection, cost: int) -> None:
        """Count the cost of an operation. Raises TooManyRequests."""
        self._hit(self._cost, self.caller(connection), cost, "Too much work was requested")

    @asynccontextmanager
    async def read_slot(self, connection: HTTPConnection, cost: int) -> AsyncGenerator[None]:
        """Wait for a slot of this user, and hold it while a list is read. After a read longer than LONG_READ_SECONDS
        the slot stays taken for as long again, at most LONGEST_PAUSE_SECONDS, so that one user's large reads, which
        occupy the only Python thread, do not delay the requests of others."""
        if cost < LIST_COST:
            yield
            return
        caller = self.caller(connection)
        slots = self._read_slots.get(caller)
        if slots is None:
            slots = self._read_slots[caller] = asyncio.Semaphore(self._limits.parallel_reads)
        await slots.acquire()
        started_at = time.monotonic()
        try:
            yield
        finally:
            duration = time.monotonic() - started_at
            pause = 0.0 if duration < LONG_READ_SECONDS else min(duration, LONGEST_PAUSE_SECONDS)
            asyncio.get_running_loop().call_later(pause, slots.release)

    @contextmanager
    def connection_slot(self, connection: HTTPConnection) -> Generator[None]:
        """Count a socket or stream while it is open. Raises TooManyRequests."""
        caller = self.caller(connection)
        if self._open[caller] >= self._limits.connections:
            raise TooManyRequests(f"At most {self._limits.connections} connections at once", 1.0)
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]

    def failed_login(self, connection: HTTPConnection) -> None:
        """Count a refused token by the client's address. Raises TooManyRequests.

        Called only after a token was refused: valid tokens are never counted, so failures of other clients at the same
        address do not lock them out.
        """
        self._hit(self._failures, client_network(connection), 1, "Too many failed attempts")

    def caller(self, connection: HTTPConnection) -> str:
        """Return the key of the user, or of the address before authentication."""
        identity: Identity | None = getattr(connection.state, "identity", None)
        return f"address {client_network(connection)}" if identity is None else f"user {identity.viewer.id}"

    def _hit(self, item: RateLimitItem, caller: str, amount: int, message: str) -> None:
        if len(self._storage.storage) > COUNTED_CALLERS and not self._is_counted(item, caller):
            caller = "others"
        if not self._windows.hit(item, caller, cost=amount):
            raise TooManyRequests(message, self._windows.get_window_stats(item, caller).reset_time - time.monotonic())

    def _is_counted(self, item: RateLimitItem, caller: str) -> bool:
        keys = self._storage.sliding_window_keys(item.key_for(caller), item.get_expiry(), time.monotonic())
        return any(key in self._storage.storage for key in keys)
