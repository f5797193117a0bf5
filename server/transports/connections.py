"""Every socket and event stream that is open, so that the application can end them: at shutdown, at a log-out."""

import asyncio
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Protocol

from starlette.requests import HTTPConnection

from server.transports.closing import CloseCode

CLOSE_SECONDS = 2  # what a peer that does not read may delay a shutdown


class OpenConnection(Protocol):
    @property
    def connection(self) -> HTTPConnection:
        """The handshake or the request; its `state` is where `on_init` leaves who it belongs to."""
        ...

    async def close(self, code: CloseCode, reason: str) -> None:
        """Say goodbye and let the connection's own task clean up."""
        ...

    def abort(self) -> None:
        """Drop the connection without a word."""
        ...


class Connections:
    def __init__(self) -> None:
        self._open: set[OpenConnection] = set()
        self._last_word: tuple[CloseCode, str] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenConnection]:
        return iter(frozenset(self._open))

    @property
    def last_word(self) -> tuple[CloseCode, str] | None:
        """What a connection that opens after `close_all` hears at once."""
        return self._last_word

    @contextmanager
    def holding(self, connection: OpenConnection) -> Generator[None]:
        self._open.add(connection)
        try:
            yield
        finally:
            self._open.discard(connection)

    async def close_all(self, code: CloseCode = CloseCode.SERVICE_RESTART, reason: str = "Service restart") -> None:
        """Close everything that is open or will open. Clients reconnect after 1001 and 1012; event streams just end."""
        self._last_word = (code, reason)
        await self.close(code, reason, lambda _: True)

    async def close(self, code: CloseCode, reason: str, belongs: Callable[[HTTPConnection], bool]) -> None:
        """Close those that `belongs` picks; who does not read it within CLOSE_SECONDS is dropped."""
        closing = {
            asyncio.create_task(member.close(code, reason)): member for member in self if belongs(member.connection)
        }
        if not closing:
            return
        _, late = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
        for task in late:
            task.cancel()
            closing[task].abort()
