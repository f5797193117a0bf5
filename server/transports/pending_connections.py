"""Websockets that have not sent `connection_init` yet.

Their number is limited. Beyond the limit the oldest is closed, not the newest: a regular client authenticates at once,
so connections that stay silent cannot keep it out.
"""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from server.transports.closing import CloseCode


class PendingConnection(Protocol):
    async def close(self, code: CloseCode, reason: str) -> None: ...


class PendingConnections:
    """The pending websockets of the process, limited per address and in all."""

    def __init__(self, per_address: int, in_all: int) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._addresses: dict[PendingConnection, str] = {}  # oldest first
        self._counts: Counter[str] = Counter()
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._addresses)

    @contextmanager
    def pending(self, connection: PendingConnection, address: str) -> Generator[None]:
        """Count the connection as pending inside the block, or until `remove`."""
        if self._counts[address] >= self._per_address:
            self._evict(next(each for each, other in self._addresses.items() if other == address))
        elif len(self._addresses) >= self._in_all:
            self._evict(next(iter(self._addresses)))
        self._addresses[connection] = address
        self._counts[address] += 1
        try:
            yield
        finally:
            self.remove(connection)

    def remove(self, connection: PendingConnection) -> None:
        """Remove a connection that authenticated or disconnected."""
        address = self._addresses.pop(connection, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]

    def _evict(self, connection: PendingConnection) -> None:
        self.remove(connection)
        closing = asyncio.create_task(connection.close(CloseCode.TOO_MANY_REQUESTS, "Too many pending connections"))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
