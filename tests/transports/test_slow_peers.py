"""Connections to peers that stop reading or answering are dropped."""

import asyncio
import socket

import httpx
import pytest

from server.transports.connections import registry as connections
from server.transports.http import sse
from server.transports.limits import TransportLimits
from server.transports.protocols import websocket_protocol
from server.transports.protocols.websocket_protocol import WebSocketProtocol
from tests.support.client import NO_AUTHORITIES
from tests.support.sample_app import Sample
from tests.support.uvicorn_server import Served, idle
from tests.support.waiting import TIMEOUT_SECONDS
from tests.support.websocket_peer import dial
from tests.transports.conftest import Start
from tests.transports.log_records import warnings_in
from tests.transports.subscriptions import subscribe_forever


def unread_socket(served: Served) -> socket.socket:
    """A connected socket with the smallest receive buffer of the kernel."""
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connected.connect((served.host, served.port))
    return connected


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when uvicorn can write no more to a websocket."""
    return set_on(monkeypatch, "pause_writing")


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the connection under a websocket is lost."""
    return set_on(monkeypatch, "connection_lost")


def set_on(monkeypatch: pytest.MonkeyPatch, callback: str) -> asyncio.Event:
    event = asyncio.Event()
    original = getattr(WebSocketProtocol, callback)

    def watched(protocol: WebSocketProtocol, *arguments: object) -> None:
        original(protocol, *arguments)
        event.set()

    monkeypatch.setattr(WebSocketProtocol, callback, watched)
    return event


def short_timeout(_: object) -> float:
    return 0.2


def ignored(_: object, __: float) -> None:
    """Ignore the value that uvicorn assigns."""


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the two seconds that the server waits for a peer before it drops the connection."""
    monkeypatch.setattr(connections, "CLOSE_SECONDS", 0.2)
    monkeypatch.setattr(sse, "CLOSE_SECONDS", 0.2)
    monkeypatch.setattr(websocket_protocol, "LINGER_SECONDS", 0.2)


class TestSlowPeers:
    LIMITS = TransportLimits(stall_seconds=0.3)

    async def test_websocket_that_stops_reading_is_dropped(self, start: Start, log: pytest.LogCaptureFixture) -> None:
        """After a bounded time and a bounded number of bytes; another websocket is not affected."""
        sample = Sample(limits=self.LIMITS)
        served = await start(sample)
        async with (
            dial(served) as healthy,
            dial(served, sock=unread_socket(served), max_queue=1, close_timeout=0) as slow,
        ):
            await slow.subscribe("subscription { flood(characters: 10000) }")
            await sample.probe.until(live=1)
            await healthy.subscribe("subscription { count(to: 1000) }")
            messages = [await healthy.receive() for _ in range(1_001)]
            assert messages[-1]["type"] == "complete"
            await sample.probe.until(live=0)
            await healthy.receives_nothing_more()
        assert sample.probe.yielded * 10_000 < 500_000
        assert warnings_in(log) == []

    async def test_subscriptions_of_an_unread_websocket_share_one_buffer(self, start: Start) -> None:
        """Fifty operations take turns, so they buffer no more than one."""
        sample = Sample(limits=TransportLimits(stall_seconds=2))  # longer than the start of all takes
        served = await start(sample)
        async with dial(served, sock=unread_socket(served), max_queue=1, close_timeout=0) as slow:
            for number in range(50):
                await slow.subscribe("subscription { flood(characters: 100000) }", str(number))
            await sample.probe.until(live=50)
            await sample.probe.until(live=0)
        assert (sample.probe.yielded - 50) * 100_000 < 500_000

    async def test_unread_websocket_does_not_delay_a_shutdown(
        self, start: Start, stalled: asyncio.Event, log: pytest.LogCaptureFixture
    ) -> None:
        """Although it may stall for an hour."""
        sample = Sample(limits=TransportLimits(stall_seconds=3_600))
        served = await start(sample)
        async with dial(served, sock=unread_socket(served), max_queue=1, close_timeout=0) as slow:
            await slow.subscribe("subscription { flood }")
            await stalled.wait()
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await sample.connections.close_all()
                await served.server.shutdown()
        assert sample.probe.live == 0
        assert warnings_in(log) == []

    async def test_unread_websocket_is_dropped_by_uvicorn_shutdown(
        self, start: Start, stalled: asyncio.Event, log: pytest.LogCaptureFixture
    ) -> None:
        """Even when the application did not close it before."""
        sample = Sample(limits=TransportLimits(stall_seconds=3_600))
        served = await start(sample)
        async with dial(served, sock=unread_socket(served), max_queue=1, close_timeout=0) as slow:
            await slow.subscribe("subscription { flood }")
            await stalled.wait()
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await served.server.shutdown()
        assert sample.probe.live == 0
        assert warnings_in(log) == []

    async def test_websocket_that_does_not_answer_a_close_frame_is_dropped(
        self, start: Start, lost: asyncio.Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With its unread bytes, which are too few for a stall."""
        monkeypatch.setattr(WebSocketProtocol, "close_timeout", property(short_timeout, ignored), raising=False)
        sample = Sample()
        served = await start(sample)
        async with dial(served, sock=unread_socket(served), max_queue=1, close_timeout=0) as slow:
            slow.socket.transport.pause_reading()
            for number in range(3):
                await slow.subscribe(
                    "query($n: String!) { hello(name: $n) }", str(number), variables={"n": "x" * 40_000}
                )
            await sample.probe.until(contexts=3)
            await slow.socket.send("nonsense")
            await idle(served)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await lost.wait()

    async def test_websocket_that_answers_no_ping_is_dropped(self, start: Start, log: pytest.LogCaptureFixture) -> None:
        """Although its connection is open."""
        sample = Sample(limits=TransportLimits(keep_alive_seconds=0.1, dead_after_seconds=0.3))
        served = await start(sample)
        async with dial(served, close_timeout=0) as dead:
            await subscribe_forever(dead, sample, "a")
            dead.socket.transport.pause_reading()
            await sample.probe.until(live=0)
        assert warnings_in(log) == []

    async def test_websocket_that_answers_no_ping_gets_a_code_after_which_clients_reconnect(
        self, start: Start, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The code is 1013 if the peer can still read; uvicorn's 1011 would stop clients from reconnecting."""
        monkeypatch.setattr(websocket_protocol, "LINGER_SECONDS", TIMEOUT_SECONDS)
        sample = Sample(limits=TransportLimits(keep_alive_seconds=0.1, dead_after_seconds=0.3))
        served = await start(sample)
        async with dial(served, close_timeout=0) as asleep:
            await subscribe_forever(asleep, sample, "a")
            asleep.socket.transport.pause_reading()
            await sample.probe.until(live=0)
            asleep.socket.transport.resume_reading()
            assert await asleep.closing() == (1013, "No pong; retry after 1 s")

    async def test_dead_websocket_is_dropped_with_its_unsent_bytes(self, start: Start, stalled: asyncio.Event) -> None:
        """Unmodified, uvicorn would wait without limit to write them."""
        limits = TransportLimits(keep_alive_seconds=0.1, dead_after_seconds=0.3, stall_seconds=3_600)
        sample = Sample(limits=limits)
        served = await start(sample)
        async with dial(served, sock=unread_socket(served), max_queue=1, close_timeout=0) as dead:
            await dead.subscribe("subscription { flood }")
            await stalled.wait()
            assert sample.probe.live == 1
            await sample.probe.until(live=0)
            await idle(served)

    async def test_websocket_that_answers_pings_stays_open(self, start: Start) -> None:
        """Although it sends nothing else."""
        sample = Sample(limits=TransportLimits(keep_alive_seconds=0.05, dead_after_seconds=1.0))
        served = await start(sample)
        async with dial(served) as peer:
            await subscribe_forever(peer, sample, "a")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(peer.closing(), 1.5)
            assert sample.probe.live == 1

    async def test_event_stream_that_is_not_read_is_dropped(self, start: Start, log: pytest.LogCaptureFixture) -> None:
        """As a websocket is."""
        sample = Sample(limits=self.LIMITS)
        served = await start(sample)
        slow = unread_socket(served)
        body = b'{"query": "subscription { flood }"}'
        slow.sendall(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        )
        await sample.probe.until(live=1)
        async with httpx.AsyncClient(verify=NO_AUTHORITIES) as healthy:
            response = await healthy.post(served.http, json={"query": "{ hello }"})
            assert response.status_code == 200
        await sample.probe.until(live=0)
        await idle(served)
        slow.close()
        assert sample.probe.yielded * 10_000 < 500_000
        assert len(sample.connections) == 0
        assert warnings_in(log) == []
