"""The network between one client and the server, which can be cut and frozen."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from time import time
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.support.listeners import connections_are_accepted

CHUNK_BYTES = 65_536
# Of the connection to the server: what a frozen line does not take soon fills the server's buffers.
WINDOW_BYTES = 4_096


class Interval(NamedTuple):
    """Two instants, in seconds since 1970."""

    start: float
    end: float


class Line:
    """Forwards connections to the server.

    A cut resets all connections and every new one. A freeze delivers nothing and loses nothing: what was sent arrives
    when it ends, as TCP has it after lost packets. `down` are the outages so far.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 0)
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._accepting: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.down: list[Interval] = []

    @property
    def url(self) -> str:
        """The address for the client."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen at a free port of the loopback interface."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def cut(self, seconds: float) -> None:
        """Reset all connections, and refuse new ones for a while."""
        began = time()
        self._is_cut = True
        self._reset()
        await asyncio.sleep(seconds)
        self._is_cut = False
        self.down.append(Interval(began, time()))

    @asynccontextmanager
    async def frozen(self) -> AsyncGenerator[None]:
        """Deliver nothing in this block."""
        began = time()
        self._flows.clear()
        yield
        self._flows.set()
        self.down.append(Interval(began, time()))

    async def stop(self) -> None:
        """Reset all connections for good."""
        assert self._server is not None
        await connections_are_accepted()
        self._server.close()
        self._flows.set()
        self._reset()
        await asyncio.gather(*self._accepting, return_exceptions=True)

    def _reset(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(reader, writer))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward both directions until one ends; a server that is down resets the connection of the client."""
        upstream: asyncio.StreamWriter | None = None
        self._writers.add(writer)
        try:
            await self._flows.wait()
            if self._is_cut:
                return
            answers, upstream = await self._open()
            self._writers.add(upstream)
            await _first_to_end(self._forward(reader, upstream), self._forward(answers, writer))
        except OSError:
            return
        finally:
            for each in filter(None, (writer, upstream)):
                self._writers.discard(each)
                each.transport.abort() if self._is_cut else each.close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock = socket.socket()
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW_BYTES)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, self._target)
        except BaseException:
            sock.close()
            raise
        return await asyncio.open_connection(sock=sock, limit=WINDOW_BYTES)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        # Of a connection that ended meanwhile, neither end is notified before the line is back.
        await self._flows.wait()


async def _first_to_end(*directions: Coroutine[object, object, None]) -> None:
    tasks = [asyncio.ensure_future(each) for each in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def line_to(url: str) -> AsyncGenerator[Line]:
    """A line to the server at this address until the block ends."""
    line = Line(url)
    await line.start()
    try:
        yield line
    finally:
        await line.stop()
