"""Floods of websocket frames of a few bytes, with a token and without."""

import asyncio
from itertools import cycle, product

import pytest

from tests.attacks.test_floods import closing
from tests.support.attack_target import Target, receive, send
from tests.support.os_processes import cpu_seconds, on_linux
from tests.support.waiting import TIMEOUT_SECONDS
from tests.support.websocket_floods import FLOODS, Flood, frame

pytestmark = [pytest.mark.usefixtures("canary"), on_linux]

HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)

FLOOD_CPU_SECONDS = 0.25
"""On average for each flood, with the requests of the canary; a flood that is parsed as a whole takes 1 to 4 s."""


@pytest.fixture(scope="module")
def settings() -> dict[str, float]:
    """Sockets without a token stay open until all of them are."""
    return {"limit_init_seconds": TIMEOUT_SECONDS}


async def flood_socket(target: Target, flood: Flood, *, authenticated: bool) -> int:
    """Send the flood at once on a websocket of its own, and return the code of the close frame."""
    async with target.socket() as socket:
        if authenticated:
            await send(socket, "connection_init")
            await receive(socket, "connection_ack")
        socket.transport.write(flood.data)
        return (await closing(socket))[0]


async def use_up_limits(target: Target) -> None:
    """Send as many messages as a websocket may, all at once and each in two fragments, and wait for the responses."""
    ping = b'{"type":"ping"}'
    async with target.socket() as socket:
        await send(socket, "connection_init")
        await receive(socket, "connection_ack")
        socket.transport.write((frame(0x01, ping[:9]) + frame(0x80, ping[9:])) * 190)
        for _ in range(190):
            await receive(socket, "pong")


async def test_bursts_within_the_limits_do_not_delay_other_requests(target: Target) -> None:
    """Bursts on every websocket that one user may have, at the same time."""
    await asyncio.gather(*(use_up_limits(target) for _ in range(50)))


async def open_raw(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A websocket whose client costs next to nothing."""
    reader, writer = await asyncio.open_connection(*target.place)
    writer.write(HANDSHAKE)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    return reader, writer


async def close_code(reader: asyncio.StreamReader) -> int:
    """The code of the close frame, after any pongs and pings, whose payload is random."""
    while True:
        head, length = await reader.readexactly(2)
        payload = await reader.readexactly(length)
        if head == 0x88:
            return int.from_bytes(payload[:2])


async def test_floods_on_many_sockets_without_a_token_take_turns(target: Target) -> None:
    """450 sockets of one address send little more than their limit at once, so that all of it is parsed."""
    floods = cycle([FLOODS["pings"], FLOODS["empty fragments"], FLOODS["empty messages"]])
    async with asyncio.timeout(TIMEOUT_SECONDS):
        sockets = [pair for _ in range(15) for pair in await asyncio.gather(*(open_raw(target) for _ in range(30)))]
        sent = list(zip(sockets, floods, strict=False))
        for (_, writer), flood in sent:
            writer.write(flood.data[:6_000])
        codes = await asyncio.gather(*(close_code(reader) for reader, _ in sockets))
    for _, writer in sockets:
        writer.transport.abort()
    assert [code in flood.codes for code, (_, flood) in zip(codes, sent, strict=True)] == [True] * 450


async def test_floods_of_frames_cost_little_and_are_closed(target: Target) -> None:
    """All kinds of floods at once, each of 400,000 frames; meanwhile other users are answered."""
    floods = list(product(FLOODS.values(), (True, False)))
    before = cpu_seconds(target.process.pid)
    outcomes = await asyncio.gather(
        *(flood_socket(target, flood, authenticated=authenticated) for flood, authenticated in floods)
    )
    assert [code in flood.codes for code, (flood, _) in zip(outcomes, floods, strict=True)] == [True] * len(floods)
    assert cpu_seconds(target.process.pid) - before < FLOOD_CPU_SECONDS * len(floods)
