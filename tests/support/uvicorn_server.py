"""A real uvicorn on a free loopback port, in the event loop of the test, so that a test can await its events."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from server.transports.connections.registry import Connections
from server.transports.limits import TransportLimits
from server.transports.protocols.uvicorn_protocols import uvicorn_options
from tests.support.listeners import connections_are_accepted
from tests.support.os_processes import children_of, command_line, has_children
from tests.support.waiting import TIMEOUT_SECONDS, eventually

# The loop learns of the end of a process a little later.
REAPING_SECONDS = 0.2


@dataclass(frozen=True)
class Served:
    """The address of a running server."""

    server: uvicorn.Server
    host: str
    port: int
    path: str = "/graphql"

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def http(self) -> str:
        return self.origin + self.path

    @property
    def ws(self) -> str:
        return f"ws://{self.host}:{self.port}{self.path}"


@asynccontextmanager
async def serve(
    app: ASGIApp,
    connections: Connections | None = None,
    limits: TransportLimits | None = None,
    port: int = 0,
    listener: socket.socket | None = None,
) -> AsyncGenerator[Served]:
    """Serve `app` until the block ends; give its `connections` to have its streams ended then.

    `listener` is a socket to listen on in place of `port` of loopback.
    """
    config = uvicorn.Config(app, port=port, log_config=None, **uvicorn_options(limits))
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(None if listener is None else [listener])
    host, bound = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield Served(server, "127.0.0.1" if host == "::" else host, bound)
    finally:
        await stop(server, connections)
        if sys.platform == "linux":
            await _programs_have_ended()


async def _programs_have_ended() -> None:
    """Wait for the programs that render and join clips: one that was killed on a busy machine may take longer to end
    than a stop waits for it, and would be left to the next test."""
    while has_children() and (programs := [pid for pid in children_of(os.getpid()) if _is_program(pid)]):
        await eventually(lambda: not any(map(_is_program, programs)))
        await asyncio.sleep(REAPING_SECONDS)


def _is_program(pid: int) -> bool:
    try:
        return b"providers." in command_line(pid)
    except OSError:
        return False


async def stop(server: uvicorn.Server, connections: Connections | None = None) -> None:
    """Shut down like `uvicorn.Server.shutdown`, without its delay of 0.1 s."""
    await connections_are_accepted()
    for listener in server.servers:
        listener.close()
    if connections is not None:
        await connections.close_all()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    if server.server_state.tasks:
        await asyncio.wait(server.server_state.tasks)
    await server.lifespan.shutdown()


async def idle(served: Served) -> None:
    """Wait until no request and no socket is being served."""
    if tasks := served.server.server_state.tasks:
        _, late = await asyncio.wait(tasks, timeout=TIMEOUT_SECONDS)
        assert not late, late
