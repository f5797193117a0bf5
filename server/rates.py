"""How often one caller may ask: counted in the memory of this process, in windows that slide (library `limits`).

N processes admit N times as much, each counting what comes to it.
"""

import asyncio
import ipaddress
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import HTTPConnection

from server.auth.identity import Identity
from server.transports.rate_limiter import TooManyRequests

COUNTED_CALLERS: Final = 10_000
"""Beyond so many at once the newcomers share one count: whoever has a million addresses does not get a million."""

LIST_COST: Final = 20
LONG_READ_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 0.25

REST_COST: Final = 20
"""Of one call of REST, which reads as much as a query of one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """By user and minute, but connections at the same time, and failed logins by address and minute."""

    requests: int
    cost: int
    connections: int
    failed_logins: int
    parallel_reads: int
    """Reads of lists that one user has made at the same time; the next waits for its turn."""


class Rates:
    """The gate of the transports, and of whoever checks tokens."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._storage = MemoryStorage()
        self._windows = SlidingWindowCounterRateLimiter(self._storage)
        self._requests = RateLimitItemPerMinute(limits.requests, namespace="requests")
        self._cost = RateLimitItemPerMinute(limits.cost, namespace="cost")
        self._failures = RateLimitItemPerMinute(limits.failed_logins, namespace="failures")
        self._open: Counter[str] = Counter()
        self._lanes: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def request(self, connection: HTTPConnection) -> None:
        """Count one operation or call of this caller. Raises TooManyRequests."""
        self._hit(self._requests, self._caller(connection), 1, "Too many requests")

    def spend(self, connection: HTTPConnection, cost: int) -> None:
        """Count what it costs. Raises TooManyRequests."""
        self._hit(self._cost, self._caller(connection), cost, "Too much work was asked for")

    @asynccontextmanager
    async def read_slot(self, connection: HTTPConnection, cost: int) -> AsyncGenerator[None]:
        """One user's lists are read one after the other, and a long read is followed by as long a pause in which the
        others' requests are answered: Python does one thing at a time, and those who ask for little should not wait
        for all that one asks for at once."""
        if cost < LIST_COST:
            yield
            return
        caller = self._caller(connection)
        lane = self._lanes.get(caller)
        if lane is None:
            lane = self._lanes[caller] = asyncio.Semaphore(self._limits.parallel_reads)
        await lane.acquire()
        begun = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - begun
            pause = 0.0 if took < LONG_READ_SECONDS else min(took, LONGEST_PAUSE_SECONDS)
            asyncio.get_running_loop().call_later(pause, lane.release)

    @contextmanager
    def connection_slot(self, connection: HTTPConnection) -> Generator[None]:
        """A socket or a stream of this caller is open. Raises TooManyRequests."""
        caller = self._caller(connection)
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
        """Count a token that was not accepted, by the address it came from. Raises TooManyRequests.

        Only to be asked after a token was refused: a valid one is never counted, and so never turned away because of
        what its neighbours at the same address do.
        """
        self._hit(self._failures, _place(connection), 1, "Too many failed attempts")

    def _caller(self, connection: HTTPConnection) -> str:
        """The user whose request or socket it is; the address while nobody knows."""
        identity: Identity | None = getattr(connection.state, "identity", None)
        return f"address {_place(connection)}" if identity is None else f"user {identity.viewer.id}"

    def _hit(self, item: RateLimitItem, caller: str, amount: int, message: str) -> None:
        if len(self._storage.storage) > COUNTED_CALLERS and not self._is_counted(item, caller):
            caller = "others"
        if not self._windows.hit(item, caller, cost=amount):
            raise TooManyRequests(message, self._windows.get_window_stats(item, caller).reset_time - time.time())

    def _is_counted(self, item: RateLimitItem, caller: str) -> bool:
        keys = self._storage.sliding_window_keys(item.key_for(caller), item.get_expiry(), time.time())
        return any(key in self._storage.storage for key in keys)


def _place(connection: HTTPConnection) -> str:
    """The address, or of IPv6 the network of a household, which has 2^64 addresses."""
    host = connection.client.host if connection.client is not None else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
