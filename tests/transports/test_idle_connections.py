"""Connections that are idle after requests with a known head: one timer for all of them, which closes in time."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from server.transports.limits import TransportLimits
from server.transports.protocols.kept_head_protocol import KeptHeadProtocol
from tests.support.raw_http import RawConnection
from tests.support.renewals import SameState
from tests.support.sample_app import Sample
from tests.support.uvicorn_server import Served
from tests.transports.known_heads import ask, post

SECONDS = TransportLimits().idle_seconds


class Loop:
    """The clock and the timers of an event loop, as a test sets them; all else is that of the running one."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.timers: list[float] = []
        self._loop = asyncio.get_running_loop()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def time(self) -> float:
        """Return the time of the running loop, and what the test adds to it."""
        return self._loop.time() + self.ahead

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Note the timer; it does not end within the test."""
        self.timers.append(seconds)
        return self._loop.call_later(seconds + 3_600.0, callback)


@pytest.fixture
def sample() -> Sample:
    return Sample(renewal=SameState())


@pytest.fixture
def protocol(served: Served, known: RawConnection) -> KeptHeadProtocol:
    """The server's end of the connection."""
    (protocol,) = served.server.server_state.connections
    assert isinstance(protocol, KeptHeadProtocol)
    return protocol


@pytest.fixture
async def loop(protocol: KeptHeadProtocol) -> Loop:
    """The loop of the protocol."""
    loop = Loop()
    protocol.loop = loop  # pyright: ignore[reportAttributeAccessIssue] # it has what the protocol calls
    return loop


async def test_recognised_requests_start_no_timer(known: RawConnection, protocol: KeptHeadProtocol, loop: Loop) -> None:
    """That of the first response goes on."""
    timer = protocol.timeout_keep_alive_task
    for _ in range(3):
        assert (await ask(known, "{ hello }")).status == 200
    assert (protocol.timeout_keep_alive_task, loop.timers) == (timer, [])


async def test_idle_connection_is_closed_after_its_last_response(
    known: RawConnection, protocol: KeptHeadProtocol, loop: Loop
) -> None:
    """Not after the one with which the timer began."""
    loop.ahead = SECONDS - 10.0
    assert (await ask(known, "{ hello }")).status == 200
    loop.ahead = SECONDS + 0.0
    protocol.timeout_keep_alive_handler()
    assert loop.timers == [pytest.approx(SECONDS - 10.0, abs=5.0)]
    assert (await ask(known, "{ hello }")).status == 200
    loop.ahead = 2 * SECONDS + 1.0
    protocol.timeout_keep_alive_handler()
    assert await known.rest() == b""


async def test_connection_is_not_idle_while_a_request_is_answered(
    known: RawConnection, protocol: KeptHeadProtocol, loop: Loop, sample: Sample
) -> None:
    """A timer that ends meanwhile starts again with the response."""
    await known.send(post("{ held }"))
    await sample.probe.until(live=1)
    loop.ahead = 2.0 * SECONDS
    protocol.timeout_keep_alive_handler()
    assert protocol.timeout_keep_alive_task is None
    sample.probe.release.set()
    assert (await known.response()).json == {"data": {"held": "released"}}
    assert loop.timers == [SECONDS]
