"""Close the listeners of servers in the event loop of the test."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager


async def connections_are_accepted() -> None:
    """Wait until no connection is between accept() and its transport; to be called right before a listener is closed.

    asyncio never closes the socket of such a connection when the listener is closed first (seen on Python 3.11), and
    the garbage collector then reports it in the next test.
    """
    while accepting := [each for each in asyncio.all_tasks() if "_accept_connection" in repr(each.get_coro())]:
        await asyncio.wait(accepting)


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncGenerator[int]:
    """Serve connections to a free port of loopback until the block ends. Return the port."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await connections_are_accepted()
        server.close()
