"""HTTP/1.1 over a plain TCP connection: bytes that no client library sends, and the responses to them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.waiting import TIMEOUT_SECONDS


@dataclass(frozen=True)
class RawResponse:
    """A response; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class RawConnection:
    """A TCP connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes, as far as the server reads them; it may have closed the connection."""
        try:
            self.writer.write(data)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self.writer.drain()
        except ConnectionError:
            pass

    async def response(self, *, head: bool = False) -> RawResponse:
        """Return the next response; that of a HEAD request has no body."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            status_line, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            length = 0 if head else int(headers.get("content-length", "0"))
            body = await self._reader.readexactly(length)
        return RawResponse(int(status_line.split(" ")[1]), headers, body)

    async def rest(self) -> bytes:
        """Return what the server sends until it closes the connection."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self._reader.read()


@asynccontextmanager
async def raw_connection(host: str, port: int) -> AsyncGenerator[RawConnection]:
    """Connect until the block ends."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.close()


async def raw_exchange(host: str, port: int, data: bytes) -> RawResponse:
    """Send bytes on a connection of their own and return the first response."""
    async with raw_connection(host, port) as connection:
        await connection.send(data)
        return await connection.response()
