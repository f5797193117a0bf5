"""The limit of connections of one user: a live connection keeps its slot, a dead one gives way to a newer one."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.support.client import READS_ON_DEMAND
from tests.support.freezing_proxy import FreezingProxy, freezing_proxy
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS, eventually

LIMIT = 5
REFUSED = (1013, f"At most {LIMIT} connections at once; retry after 1 s")


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncGenerator[App]:
    """A server with a limit that a test can reach."""
    async with running(tmp_path, limit_connections=LIMIT) as app:
        yield app


@pytest.fixture
async def proxy(limited: App) -> AsyncGenerator[FreezingProxy]:
    """A proxy in front of the server."""
    async with freezing_proxy("127.0.0.1", urlsplit(limited.url).port or 0) as proxy:
        yield proxy


@asynccontextmanager
async def connected(port: int | None) -> AsyncGenerator[ClientConnection]:
    """A websocket that has sent its `connection_init`; its client answers pings by itself."""
    address = f"ws://127.0.0.1:{port}/graphql"
    subprotocols = [Subprotocol("graphql-transport-ws")]
    async with connect(address, subprotocols=subprotocols, close_timeout=0, **READS_ON_DEMAND) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        yield socket


async def outcome(socket: ClientConnection) -> tuple[int, str] | str:
    """The type of the next message, or code and reason of the close frame."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        try:
            return json.loads(await socket.recv())["type"]
        except ConnectionClosed:
            return socket.close_code or 0, socket.close_reason or ""


async def open_sockets(stack: AsyncExitStack, port: int | None, count: int) -> list[ClientConnection]:
    """Open this many websockets at once."""
    return await asyncio.gather(*(stack.enter_async_context(connected(port)) for _ in range(count)))


async def test_dead_connections_give_way_to_newer_ones(limited: App, proxy: FreezingProxy) -> None:
    """Four of five are behind a proxy that stops forwarding: their clients reconnect at once, the fifth stays open."""
    port = urlsplit(limited.url).port
    async with AsyncExitStack() as stack:
        (alive,) = await open_sockets(stack, port, 1)
        behind = await open_sockets(stack, proxy.port, LIMIT - 1)
        assert [await outcome(socket) for socket in [alive, *behind]] == ["connection_ack"] * LIMIT
        proxy.freeze()
        newer = await open_sockets(stack, port, LIMIT - 1)
        assert await asyncio.gather(*map(outcome, newer)) == ["connection_ack"] * (LIMIT - 1)
        await alive.send(json.dumps({"type": "ping"}))
        assert await outcome(alive) == "pong"
        assert len(limited.container.connections) == LIMIT


async def test_live_connections_keep_their_slots(limited: App) -> None:
    """A newer one is refused with a code after which clients retry, and succeeds once a slot is free."""
    port = urlsplit(limited.url).port
    async with AsyncExitStack() as stack:
        sockets = await open_sockets(stack, port, LIMIT)
        assert [await outcome(socket) for socket in sockets] == ["connection_ack"] * LIMIT
        extra, stream = await asyncio.gather(open_sockets(stack, port, 1), event_stream(limited))
        assert await outcome(extra[0]) == REFUSED
        assert (stream.status_code, stream.headers["retry-after"]) == (429, "1")
        for socket in sockets:
            await socket.send(json.dumps({"type": "ping"}))
            assert await outcome(socket) == "pong"
        await sockets[0].close()
        await eventually(lambda: len(limited.container.connections) == LIMIT - 1)
        (later,) = await open_sockets(stack, port, 1)
        assert await outcome(later) == "connection_ack"


async def test_dead_websocket_gives_way_to_an_event_stream(limited: App, proxy: FreezingProxy) -> None:
    """Websockets and event streams share the limit."""
    async with AsyncExitStack() as stack:
        behind = await open_sockets(stack, proxy.port, LIMIT)
        assert [await outcome(socket) for socket in behind] == ["connection_ack"] * LIMIT
        proxy.freeze()
        assert (await event_stream(limited)).status_code == 200


async def event_stream(app: App) -> httpx.Response:
    """The head of the response to a subscription over server-sent events, which is then closed."""
    document = "subscription { jobsUpdated { id } }"
    async with app.http.stream(
        "POST", "/graphql", json={"query": document}, headers={"accept": "text/event-stream"}
    ) as response:
        return response
