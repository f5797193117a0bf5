"""A TCP proxy that can stop forwarding while it keeps its connections open."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from tests.support.listeners import connections_are_accepted


class FreezingProxy:
    """Forwards connections to one address until `freeze`."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: list[asyncio.StreamWriter] = []
        self._forwarding: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self.accepted = 0
        """The number of connections so far."""

    async def start(self, port: int = 0) -> None:
        """Listen at this port of the loopback interface, by default at a free one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)

    @property
    def port(self) -> int:
        """The port on which it listens."""
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    def freeze(self) -> None:
        """Stop forwarding in both directions; neither side is notified."""
        for task in self._forwarding:
            task.cancel()

    def cut(self) -> None:
        """Abort all connections; new ones are accepted."""
        self.freeze()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def stop(self) -> None:
        """Drop all connections."""
        assert self._server is not None
        await connections_are_accepted()
        self._server.close()
        self.freeze()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._forwarding, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._target)
        self.accepted += 1
        self._writers += [writer, upstream_writer]
        self._forwarding += [
            asyncio.create_task(_forward(reader, upstream_writer)),
            asyncio.create_task(_forward(upstream_reader, writer)),
        ]


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def freezing_proxy(host: str, port: int) -> AsyncGenerator[FreezingProxy]:
    """Run a proxy to this address until the block ends."""
    proxy = FreezingProxy(host, port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
