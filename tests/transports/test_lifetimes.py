"""What a socket holds, and that it lets go of it: however the connection ends, and whoever ends it."""

import asyncio
import socket

import httpx
import pytest
from starlette.requests import HTTPConnection

from server.transports import CloseCode, TransportLimits
from server.transports.connections import CLOSE_SECONDS
from server.transports.uvicorn_protocols import LINGER_SECONDS, WebSocketProtocol
from tests.support.sample_app import SECRET, Sample
from tests.support.uvicorn_server import Served, idle
from tests.support.websocket_peer import Peer, dial
from tests.transports.conftest import Start

FOREVER = "subscription { forever }"


def complaints(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.levelname not in ("INFO", "DEBUG")]


async def begin(peer: Peer, sample: Sample, *ids: str) -> None:
    for id_ in ids:
        await peer.subscribe(FOREVER, id_)
        assert (await peer.receive())["type"] == "next"
    await sample.probe.until(live=len(ids))


class TestTheEnd:
    async def test_a_client_that_closes_ends_its_operations(
        self, served: Served, sample: Sample, log: pytest.LogCaptureFixture
    ) -> None:
        """All of them, and nothing is said about it."""
        async with dial(served) as peer:
            await begin(peer, sample, "a", "b", "c")
        await sample.probe.until(live=0)
        assert complaints(log) == []

    async def test_a_client_that_is_cut_off_ends_its_operations(
        self, served: Served, sample: Sample, log: pytest.LogCaptureFixture
    ) -> None:
        """As abruptly as can be: a reset connection."""
        async with dial(served) as peer:
            await begin(peer, sample, "a", "b", "c")
            peer.socket.transport.abort()
            await sample.probe.until(live=0)
        assert complaints(log) == []

    async def test_a_client_that_is_cut_off_in_mid_flood_ends_it(
        self, served: Served, sample: Sample, log: pytest.LogCaptureFixture
    ) -> None:
        """While the server was writing."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { flood }")
            await peer.receive()
            peer.socket.transport.abort()
            await sample.probe.until(live=0)
        assert complaints(log) == []

    async def test_a_mutation_outlives_its_socket(self, served: Served, sample: Sample) -> None:
        """As it would its HTTP connection."""
        async with dial(served) as peer:
            await peer.subscribe('mutation { writeSlowly(value: "x") }')
            await sample.probe.until(live=1)
            peer.socket.transport.abort()
        sample.probe.release.set()
        await sample.probe.until(written=1)

    async def test_nothing_of_a_socket_remains(self, served: Served, sample: Sample) -> None:
        """No task, no connection."""
        before = len(asyncio.all_tasks())
        for _ in range(5):
            async with dial(served) as peer:
                await begin(peer, sample, "a", "b")
            await sample.probe.until(live=0)
        await idle(served)
        assert len(asyncio.all_tasks()) == before
        assert len(sample.connections) == 0


class TestFailures:
    async def test_a_subscription_that_fails_ends_alone(
        self, served: Served, sample: Sample, log: pytest.LogCaptureFixture
    ) -> None:
        """With a masked error, logged once; its neighbour lives on."""
        async with dial(served) as peer:
            await begin(peer, sample, "neighbour")
            await peer.subscribe("subscription { failing }")
            heard = [await peer.receive() for _ in range(2)]
            assert [message["type"] for message in heard] == ["next", "error"]
            (error,) = heard[1]["payload"]
            await peer.receives_nothing_more()
            assert error["message"] == "Internal error"
            await peer.receives_nothing_more("neighbour")
            assert sample.probe.live == 1
        (record,) = [record for record in log.records if record.levelname == "ERROR"]
        assert error["extensions"] == {"code": "INTERNAL", "id": record.__dict__["error_id"]}
        assert SECRET not in str(heard)

    async def test_a_refusal_before_the_first_event_keeps_its_words(self, served: Served) -> None:
        """The domain's, not the schema's."""
        async with dial(served) as peer:
            await peer.subscribe("subscription { unbegun }")
            (error,) = (await peer.receive())["payload"]
            assert error["message"] == "There is no such job"
            assert error["extensions"] == {"code": "NOT_FOUND", "field": ["jobId"]}

    async def test_a_result_that_cannot_be_written_fails_alone(self, served: Served, sample: Sample) -> None:
        """Masked, like everything unexpected."""
        async with dial(served) as peer:
            await begin(peer, sample, "neighbour")
            await peer.subscribe("{ unwritable }")
            message = await peer.receive()
            assert (message["id"], message["type"]) == ("1", "error")
            assert message["payload"][0]["extensions"]["code"] == "INTERNAL"
            assert sample.probe.live == 1


class TestClosedByTheServer:
    async def test_a_subscription_may_close_the_socket(self, served: Served, sample: Sample) -> None:
        """When the token has expired, for instance."""
        async with dial(served) as peer:
            await begin(peer, sample, "neighbour")
            await peer.subscribe("subscription { revoked }")
            await peer.receive()
            sample.probe.revoke.set()
            assert await peer.closing() == (4403, "Token expired")
        await sample.probe.until(live=0)

    async def test_the_application_closes_whom_it_picks(self, served: Served, sample: Sample) -> None:
        """By the request they came with, or by the state that `on_init` left."""

        def is_eve(connection: HTTPConnection) -> bool:
            return connection.headers.get("x-name") == "eve"

        async with (
            dial(served, additional_headers={"x-name": "eve"}) as eve,
            dial(served, additional_headers={"x-name": "ada"}) as ada,
        ):
            await begin(eve, sample, "a")
            await sample.connections.close(CloseCode.FORBIDDEN, "Logged out", is_eve)
            assert await eve.closing() == (4403, "Logged out")
            await ada.receives_nothing_more()
        await sample.probe.until(live=0)

    @pytest.mark.parametrize("code", [CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART])
    async def test_all_are_closed_at_shutdown(self, served: Served, sample: Sample, code: CloseCode) -> None:
        """Those who come later as well."""
        async with dial(served) as one, dial(served) as other:
            await begin(one, sample, "a", "b")
            await sample.connections.close_all(code, "See you")
            assert await one.closing() == await other.closing() == (code, "See you")
        await sample.probe.until(live=0)
        async with dial(served, init=False) as late:
            assert await late.closing() == (code, "See you")

    async def test_a_shutdown_of_uvicorn_says_so_too(
        self, served: Served, sample: Sample, log: pytest.LogCaptureFixture
    ) -> None:
        """And waits for what it must not cut."""
        async with dial(served) as peer:
            await begin(peer, sample, "a")
            await peer.subscribe('mutation { writeSlowly(value: "x") }', "b")
            await sample.probe.until(live=2)
            stopping = asyncio.create_task(served.server.shutdown())
            assert (await peer.closing())[0] == CloseCode.SERVICE_RESTART
            await sample.probe.until(live=1)
            sample.probe.release.set()
            await stopping
        assert sample.probe.written == ["x"]
        assert complaints(log) == []


def deaf_socket(served: Served) -> socket.socket:
    """Connected, with as little room for unread bytes as the kernel grants."""
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connected.connect((served.host, served.port))
    return connected


@pytest.fixture
def stalled(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when uvicorn can write no more to a socket."""
    return told_of(monkeypatch, "pause_writing")


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the connection under a socket is gone."""
    return told_of(monkeypatch, "connection_lost")


def told_of(monkeypatch: pytest.MonkeyPatch, callback: str) -> asyncio.Event:
    event = asyncio.Event()
    original = getattr(WebSocketProtocol, callback)

    def watched(protocol: WebSocketProtocol, *arguments: object) -> None:
        original(protocol, *arguments)
        event.set()

    monkeypatch.setattr(WebSocketProtocol, callback, watched)
    return event


def in_brief(_: object) -> float:
    return 0.2


def ignored(_: object, __: float) -> None:
    """What uvicorn would wait."""


class TestLostPeers:
    LIMITS = TransportLimits(stall_seconds=0.3)

    async def test_a_client_that_stops_reading_is_cut_off(self, start: Start, log: pytest.LogCaptureFixture) -> None:
        """After a bounded time, having cost a bounded number of bytes, and its neighbour nothing."""
        sample = Sample(limits=self.LIMITS)
        served = await start(sample)
        async with (
            dial(served) as healthy,
            dial(served, sock=deaf_socket(served), max_queue=1, close_timeout=0) as deaf,
        ):
            await deaf.subscribe("subscription { flood(characters: 10000) }")
            await sample.probe.until(live=1)
            await healthy.subscribe("subscription { count(to: 1000) }")
            heard = [await healthy.receive() for _ in range(1_001)]
            assert heard[-1]["type"] == "complete"
            assert sample.probe.live == 1
            await sample.probe.until(live=0)
            await healthy.receives_nothing_more()
        assert sample.probe.yielded * 10_000 < 500_000
        assert complaints(log) == []

    async def test_many_operations_of_a_deaf_client_cost_no_more_than_one(self, start: Start) -> None:
        """They take turns."""
        sample = Sample(limits=self.LIMITS)
        served = await start(sample)
        async with dial(served, sock=deaf_socket(served), max_queue=1, close_timeout=0) as deaf:
            for number in range(50):
                await deaf.subscribe("subscription { flood(characters: 100000) }", str(number))
            await sample.probe.until(live=50)
            await sample.probe.until(live=0)
        assert (sample.probe.yielded - 50) * 100_000 < 500_000

    async def test_a_deaf_client_does_not_hold_up_a_shutdown(
        self, start: Start, stalled: asyncio.Event, log: pytest.LogCaptureFixture
    ) -> None:
        """Two seconds of politeness, though it could stall for a minute."""
        sample = Sample(limits=TransportLimits(stall_seconds=60))
        served = await start(sample)
        async with dial(served, sock=deaf_socket(served), max_queue=1, close_timeout=0) as deaf:
            await deaf.subscribe("subscription { flood }")
            await stalled.wait()
            async with asyncio.timeout(CLOSE_SECONDS + 1):
                await sample.connections.close_all()
                await served.server.shutdown()
        assert sample.probe.live == 0
        assert complaints(log) == []

    async def test_a_deaf_client_does_not_outlive_uvicorn(
        self, start: Start, stalled: asyncio.Event, log: pytest.LogCaptureFixture
    ) -> None:
        """Even when nobody closed it before."""
        sample = Sample(limits=TransportLimits(stall_seconds=60))
        served = await start(sample)
        async with dial(served, sock=deaf_socket(served), max_queue=1, close_timeout=0) as deaf:
            await deaf.subscribe("subscription { flood }")
            await stalled.wait()
            async with asyncio.timeout(LINGER_SECONDS + 1):
                await served.server.shutdown()
        assert sample.probe.live == 0
        assert complaints(log) == []

    async def test_a_peer_that_does_not_take_its_leave_is_dropped(
        self, start: Start, lost: asyncio.Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With what it left unread, though too little for a stall."""
        monkeypatch.setattr(WebSocketProtocol, "close_timeout", property(in_brief, ignored), raising=False)
        sample = Sample()
        served = await start(sample)
        async with dial(served, sock=deaf_socket(served), max_queue=1, close_timeout=0) as deaf:
            deaf.socket.transport.pause_reading()
            for number in range(3):
                await deaf.subscribe(
                    "query($n: String!) { hello(name: $n) }", str(number), variables={"n": "x" * 40_000}
                )
            await sample.probe.until(contexts=3)
            await deaf.socket.send("nonsense")
            await idle(served)
            async with asyncio.timeout(2):
                await lost.wait()

    async def test_a_dead_peer_is_noticed(self, start: Start, log: pytest.LogCaptureFixture) -> None:
        """It answers no ping, though its connection is open."""
        sample = Sample(limits=TransportLimits(keep_alive_seconds=0.1, dead_after_seconds=0.3))
        served = await start(sample)
        async with dial(served, close_timeout=0) as dead:
            await begin(dead, sample, "a")
            dead.socket.transport.pause_reading()
            await sample.probe.until(live=0)
        assert complaints(log) == []

    async def test_a_dead_peer_is_dropped_with_what_was_not_sent_to_it(
        self, start: Start, stalled: asyncio.Event
    ) -> None:
        """Plain uvicorn would wait for ever to write it."""
        limits = TransportLimits(keep_alive_seconds=0.1, dead_after_seconds=0.3, stall_seconds=60)
        sample = Sample(limits=limits)
        served = await start(sample)
        async with dial(served, sock=deaf_socket(served), max_queue=1, close_timeout=0) as dead:
            await dead.subscribe("subscription { flood }")
            await stalled.wait()
            assert sample.probe.live == 1
            await sample.probe.until(live=0)
            await idle(served)

    async def test_a_living_peer_is_kept(self, start: Start) -> None:
        """For as long as it answers pings, though it says nothing."""
        sample = Sample(limits=TransportLimits(keep_alive_seconds=0.05, dead_after_seconds=0.1))
        served = await start(sample)
        async with dial(served) as peer:
            await begin(peer, sample, "a")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(peer.closing(), 0.5)
            assert sample.probe.live == 1

    async def test_a_stream_that_is_not_read_is_cut_off(self, start: Start, log: pytest.LogCaptureFixture) -> None:
        """Server-sent events are no different."""
        sample = Sample(limits=self.LIMITS)
        served = await start(sample)
        deaf = deaf_socket(served)
        body = b'{"query": "subscription { flood }"}'
        deaf.sendall(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        )
        await sample.probe.until(live=1)
        async with httpx.AsyncClient() as healthy:
            answer = await healthy.post(served.http, json={"query": "{ hello }"})
            assert answer.status_code == 200
        await sample.probe.until(live=0)
        await idle(served)
        deaf.close()
        assert sample.probe.yielded * 10_000 < 500_000
        assert len(sample.connections) == 0
        assert complaints(log) == []
