"""The registry of open websockets and event streams, for the application to close: at shutdown or when a token ends."""

import asyncio
import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Protocol

from starlette.requests import HTTPConnection

from server.transports.closing import CloseCode

log = logging.getLogger(__name__)

CLOSE_SECONDS = 2
"""How long a peer that does not read may delay a shutdown."""


class OpenConnection(Protocol):
    @property
    def connection(self) -> HTTPConnection:
        """The handshake or the request; `on_init` stores the principal in its `state`."""
        ...

    async def close(self, code: CloseCode, reason: str) -> None:
        """Send the close frame or the end of the stream; the connection's own task cleans up."""
        ...

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        ...


class Connections:
    def __init__(self) -> None:
        self._open: set[OpenConnection] = set()
        self._closed_with: tuple[CloseCode, str] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenConnection]:
        return iter(frozenset(self._open))

    @property
    def closed_with(self) -> tuple[CloseCode, str] | None:
        """Code and reason of `close_all`, with which later connections close at once; None before it."""
        return self._closed_with

    @contextmanager
    def registered(self, connection: OpenConnection) -> Generator[None]:
        """Keep the connection in the registry inside the block."""
        self.add(connection)
        try:
            yield
        finally:
            self.remove(connection)

    def add(self, connection: OpenConnection) -> None:
        """Keep the connection in the registry until `remove`."""
        self._open.add(connection)

    def remove(self, connection: OpenConnection) -> None:
        """Remove a connection that has ended."""
        self._open.discard(connection)

    async def close_all(self, code: CloseCode = CloseCode.SERVICE_RESTART, reason: str = "Service restart") -> None:
        """Close all present and future connections. Clients reconnect after 1001 and 1012; event streams just end."""
        self._closed_with = (code, reason)
        await self.close(code, reason, lambda _: True)

    async def close(self, code: CloseCode, reason: str, matches: Callable[[HTTPConnection], bool]) -> None:
        """Close the connections that match; drop a peer that does not read the close within CLOSE_SECONDS."""
        closing = {
            asyncio.create_task(member.close(code, reason)): member for member in self if matches(member.connection)
        }
        if not closing:
            return
        for task in closing:
            task.add_done_callback(on_closed)
        _, late = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
        for task in late:
            task.cancel()
            closing[task].abort()


def on_closed(closing: asyncio.Task[None]) -> None:
    """Retrieve the error of a task that closes a connection: its peer may be gone already."""
    if not closing.cancelled() and (error := closing.exception()) is not None:
        log.debug("a connection was lost while it was closed: %r", error, extra={"action": "connection.lost"})
