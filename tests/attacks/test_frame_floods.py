"""Floods of websocket frames of a few bytes, with a token and without."""

import asyncio
from itertools import product

import pytest

from tests.attacks.test_floods import closing
from tests.support.attack_target import Target, receive, send
from tests.support.os_processes import cpu_seconds, on_linux
from tests.support.websocket_floods import FLOODS, Flood, frame

pytestmark = [pytest.mark.usefixtures("canary"), on_linux]

FLOOD_CPU_SECONDS = 0.25
"""On average for each flood, with the requests of the canary; a flood that is parsed as a whole takes 1 to 4 s."""


async def flood_socket(target: Target, flood: Flood, *, authenticated: bool) -> tuple[int, str]:
    """Send the flood at once on a websocket of its own, and return code and reason of the close frame."""
    async with target.socket() as socket:
        if authenticated:
            await send(socket, "connection_init")
            await receive(socket, "connection_ack")
        socket.transport.write(flood.data)
        return await closing(socket)


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
    """On every websocket that one user may have, at the same time."""
    await asyncio.gather(*(use_up_limits(target) for _ in range(50)))


async def test_floods_of_frames_cost_little_and_are_closed(target: Target) -> None:
    """All of them at once, each of 400,000 frames; meanwhile other users are answered."""
    floods = list(product(FLOODS.values(), (True, False)))
    before = cpu_seconds(target.process.pid)
    outcomes = await asyncio.gather(
        *(flood_socket(target, flood, authenticated=authenticated) for flood, authenticated in floods)
    )
    assert outcomes == [flood.closing for flood, _ in floods]
    assert cpu_seconds(target.process.pid) - before < FLOOD_CPU_SECONDS * len(floods)
