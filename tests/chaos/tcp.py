"""A TCP connection to the server that can stall and break at any byte, which no client library allows."""

import asyncio
import socket
from contextlib import suppress
from urllib.parse import urlsplit

# The smallest window that the kernel grants: the server soon notices a client that does not read.
NARROW_BYTES = 4096


class TcpConnection:
    """Bytes to and from the server. Raises OSError or EOFError when the connection is lost."""

    def __init__(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str, *, narrow: bool) -> "TcpConnection":
        """Connect; with a small receive window if `narrow`."""
        host, _, port = urlsplit(url).netloc.partition(":")
        sock = socket.socket()
        try:
            if narrow:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
            reader, writer = await asyncio.open_connection(sock=sock, limit=NARROW_BYTES if narrow else 65_536)
        except BaseException:
            sock.close()
            raise
        return cls(f"{host}:{port}", reader, writer)

    async def request(self, method: str, headers: dict[str, str], body: bytes = b"") -> int:
        """Send a request to /graphql and read the head of the answer; return its status."""
        lines = [f"{method} /graphql HTTP/1.1", f"Host: {self._host}", *(f"{k}: {v}" for k, v in headers.items())]
        await self.send("\r\n".join([*lines, "", ""]).encode() + body)
        head = await self._reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1])

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        self._writer.write(data)
        await self._writer.drain()

    async def read(self, count: int) -> bytes:
        """Read exactly this many bytes."""
        return await self._reader.readexactly(count)

    async def line(self) -> bytes:
        """Read a line; return it without CRLF."""
        return (await self._reader.readuntil(b"\r\n"))[:-2]

    def abort(self) -> None:
        """Reset the connection, as a broken network would."""
        self._writer.transport.abort()

    async def abort_in_message(self) -> None:
        """Reset the connection after a part of the next message, if one comes."""
        with suppress(TimeoutError, OSError, EOFError):
            async with asyncio.timeout(0.05):
                await self.read(1)
        self.abort()

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
