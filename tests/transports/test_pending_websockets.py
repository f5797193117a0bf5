"""graphql-transport-ws: which websocket gives way when too many are not authenticated yet."""

import asyncio
from contextlib import AsyncExitStack

from starlette.websockets import WebSocket

from server.transports.limits import TransportLimits
from server.transports.websocket.messages import Payload
from tests.support.sample_app import Sample
from tests.support.uvicorn_server import Served
from tests.support.waiting import eventually
from tests.support.websocket_peer import Peer, dial
from tests.transports.conftest import Start

REFUSED = (1013, "Too many pending connections; retry after 1 s")


async def open_silent(stack: AsyncExitStack, served: Served, count: int, host: str = "127.0.0.1") -> list[Peer]:
    """Open websockets from a loopback address, one after the other, that send nothing."""
    return [
        await stack.enter_async_context(dial(served, init=False, local_addr=(host, 0), close_timeout=0))
        for _ in range(count)
    ]


async def test_oldest_silent_websocket_of_the_address_gives_way(start: Start) -> None:
    """The others can still send their `connection_init`."""
    served = await start(Sample(limits=TransportLimits(pending_per_address=3)))
    async with AsyncExitStack() as stack:
        first, *others = await open_silent(stack, served, 4)
        assert await first.closing() == REFUSED
        for peer in others:
            await peer.init()


async def test_authenticated_websockets_are_not_pending(start: Start) -> None:
    """The limit does not apply to websockets that have authenticated."""
    served = await start(Sample(limits=TransportLimits(pending_per_address=1)))
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(dial(served)) for _ in range(5)]
        for peer in peers:
            await peer.send("ping")
            assert await peer.receive() == {"type": "pong"}


def test_as_many_connections_may_be_half_open_as_websockets_pending() -> None:
    """Otherwise clients within the limit of pending websockets are dropped before their handshakes."""
    limits = TransportLimits()
    assert limits.half_open >= limits.pending_connections >= limits.pending_per_address >= 400


async def test_websocket_that_is_being_authenticated_outlasts_silent_ones(start: Start) -> None:
    """The check of its token takes long, and it is the oldest one."""
    checking, checked = asyncio.Event(), asyncio.Event()

    async def check(_: WebSocket, __: Payload | None) -> None:
        checking.set()
        await checked.wait()

    served = await start(Sample(limits=TransportLimits(pending_per_address=3), on_init=check))
    async with AsyncExitStack() as stack:
        stack.callback(checked.set)
        (slow,) = await open_silent(stack, served, 1)
        await slow.send("connection_init")
        await checking.wait()
        first, second, *_ = await open_silent(stack, served, 4)
        assert (await first.closing(), await second.closing()) == (REFUSED, REFUSED)
        checked.set()
        assert await slow.receive() == {"type": "connection_ack"}


async def test_websockets_of_the_address_with_the_most_give_way_to_all_others(start: Start) -> None:
    """A flood from one address closes no websocket of another, although that is the oldest."""
    sample = Sample(limits=TransportLimits(pending_per_address=10, pending_connections=5))
    served = await start(sample)
    async with AsyncExitStack() as stack:
        (other,) = await open_silent(stack, served, 1, host="127.0.0.2")
        flood = await open_silent(stack, served, 9)
        assert [await peer.closing() for peer in flood[:5]] == [REFUSED] * 5
        await eventually(lambda: len(sample.connections) == 5)
        await other.init()
