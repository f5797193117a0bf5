"""Sockets that have not yet said who they are. When there are too many, the one that has waited longest must go:
whoever is honest says it at once, so that a crowd of silent ones keeps nobody out."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

from server.transports.closing import CloseCode


class Waiting(Protocol):
    async def close(self, code: CloseCode, reason: str) -> None: ...


class PendingConnections:
    def __init__(self, per_address: int, in_all: int) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._waiting: dict[Waiting, str] = {}  # in the order of their coming
        self._by_address: Counter[str] = Counter()
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    @contextmanager
    def waiting(self, guest: Waiting, address: str) -> Generator[None]:
        """The guest waits for as long as the block, or until `leave`."""
        if self._by_address[address] >= self._per_address:
            self._send_away(next(each for each, place in self._waiting.items() if place == address))
        elif len(self._waiting) >= self._in_all:
            self._send_away(next(iter(self._waiting)))
        self._waiting[guest] = address
        self._by_address[address] += 1
        try:
            yield
        finally:
            self.leave(guest)

    def leave(self, guest: Waiting) -> None:
        """It has said who it is, or is gone."""
        address = self._waiting.pop(guest, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _send_away(self, guest: Waiting) -> None:
        self.leave(guest)
        closing = asyncio.create_task(guest.close(CloseCode.TOO_MANY_REQUESTS, "Too many sockets wait here"))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
