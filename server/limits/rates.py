"""Rate limits of each caller: sliding windows of one minute in the memory of one process.

Each process counts its own requests, so N processes together admit N times as much.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from typing import Final, NoReturn
from weakref import WeakValueDictionary

from starlette.requests import HTTPConnection

from schema.context import LIST_COST
from server.auth.identity import connected_as
from server.configuration.setting_types import RateLimits
from server.limits.sliding_window import SlidingWindow
from server.transports.connections.client_network import client_network
from server.transports.rate_limiter import TooManyRequests

LONG_READ_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 0.25

REST_COST: Final = 20
"""The cost of one REST call, which reads about as much as a GraphQL query of one page."""


_AT_ONCE: Final = nullcontext()


class Rates:
    """Counts the requests, cost, connections and failed logins of every caller."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._requests = SlidingWindow(limits.requests)
        self._cost = SlidingWindow(limits.cost)
        self._failures = SlidingWindow(limits.failed_logins)
        self._open: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        """How often each limit was exceeded."""
        self._read_slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def request(self, connection: HTTPConnection) -> str:
        """Count one GraphQL operation or REST call; return its caller. Raises TooManyRequests."""
        caller = self.caller(connection)
        wait = self._requests.add(caller, 1)
        if wait is not None:
            self._refuse("requests", wait, "Too many requests")
        return caller

    def spend(self, connection: HTTPConnection, cost: int) -> None:
        """Count the cost of an operation. Raises TooManyRequests."""
        self.spend_for(self.caller(connection), cost)

    def spend_for(self, caller: str, cost: int) -> None:
        """Count the cost of what the caller of a connection is sent. Raises TooManyRequests."""
        wait = self._cost.add(caller, cost)
        if wait is not None:
            self._refuse("cost", wait, "Too much work was requested")

    def read_slot(self, connection: HTTPConnection, cost: int) -> AbstractAsyncContextManager[None]:
        """Wait for a slot of this user, and hold it while a list is read. After a read longer than LONG_READ_SECONDS
        the slot stays taken for as long again, at most LONGEST_PAUSE_SECONDS, so that one user's large reads, which
        occupy the only Python thread, do not delay the requests of others."""
        return _AT_ONCE if cost < LIST_COST else self._list_slot(connection)

    @asynccontextmanager
    async def _list_slot(self, connection: HTTPConnection) -> AsyncGenerator[None]:
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
            self.refused["connections"] += 1
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
        wait = self._failures.add(client_network(connection), 1)
        if wait is not None:
            self._refuse("failed_logins", wait, "Too many failed attempts")

    def caller(self, connection: HTTPConnection) -> str:
        """Return the key of the user, or of the address before authentication."""
        identity = connected_as(connection)
        return f"address {client_network(connection)}" if identity is None else f"user {identity.viewer.principal}"

    def _refuse(self, limit: str, wait: float, message: str) -> NoReturn:
        self.refused[limit] += 1
        raise TooManyRequests(message, wait)
