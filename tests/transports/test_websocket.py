"""graphql-transport-ws: handshake, connection_init, ping and pong."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.websockets import WebSocket
from websockets.typing import Subprotocol

from server.transports.closing import CloseCode, CloseConnection
from server.transports.limits import TransportLimits
from tests.support.sample_app import SECRET, Sample
from tests.support.uvicorn_server import Served
from tests.support.websocket_peer import SUBPROTOCOL, Peer, dial
from tests.transports.conftest import Start


class TestHandshake:
    """The handshake."""

    async def test_websocket_selects_graphql_transport_ws(self, served: Served) -> None:
        """Among other subprotocols that the client offers."""
        async with dial(served, subprotocols=[Subprotocol("graphql-ws"), SUBPROTOCOL]) as peer:
            assert peer.socket.subprotocol == SUBPROTOCOL

    @pytest.mark.parametrize("offered", [None, [Subprotocol("graphql-ws")], [Subprotocol("soap")]])
    async def test_websocket_without_the_subprotocol_closes_with_4406(
        self, served: Served, offered: list[Subprotocol] | None
    ) -> None:
        """The legacy subprotocol is not supported."""
        async with dial(served, init=False, subprotocols=offered) as peer:
            assert await peer.closing() == (4406, "Subprotocol must be graphql-transport-ws")

    async def test_websocket_negotiates_no_compression(self, served: Served) -> None:
        """Although the client offers it."""
        async with dial(served) as peer:
            assert peer.socket.response is not None
            assert "sec-websocket-extensions" not in peer.socket.response.headers


class TestConnectionInit:
    @pytest.mark.parametrize("rest", [{}, {"payload": None}, {"payload": {}}, {"payload": {"token": "x"}}])
    async def test_connection_init_payload_is_optional(self, served: Served, rest: dict[str, Any]) -> None:
        """Absent, null or an object."""
        async with dial(served, init=False) as peer:
            await peer.send("connection_init", **rest)
            assert await peer.receive() == {"type": "connection_ack"}

    async def test_missing_connection_init_closes_with_4408(self, start: Start) -> None:
        """Pings do not extend the deadline."""
        served = await start(Sample(limits=TransportLimits(init_seconds=0.2)))
        async with dial(served, init=False) as peer:
            pinging = asyncio.create_task(ping_until_cancelled(peer))
            assert await peer.closing() == (4408, "Connection initialisation timeout")
            pinging.cancel()

    async def test_second_connection_init_closes_with_4429(self, served: Served) -> None:
        """As specified."""
        async with dial(served) as peer:
            await peer.send("connection_init")
            assert await peer.closing() == (4429, "Too many initialisation requests")

    async def test_on_init_receives_the_payload_and_returns_the_acks(self, start: Start) -> None:
        """It stores what the context factory needs in the state."""

        async def on_init(socket: WebSocket, payload: dict[str, object] | None) -> Mapping[str, object]:
            socket.state.viewer = (payload or {})["token"]
            return {"welcome": True}

        served = await start(Sample(on_init=on_init))
        async with dial(served, init=False) as peer:
            await peer.send("connection_init", payload={"token": "ada"})
            assert await peer.receive() == {"type": "connection_ack", "payload": {"welcome": True}}
            await peer.subscribe("{ viewer }")
            assert (await peer.receive())["payload"] == {"data": {"viewer": "ada"}}

    @pytest.mark.parametrize("code", [CloseCode.UNAUTHORIZED, CloseCode.FORBIDDEN])
    async def test_on_init_can_close_the_websocket(self, start: Start, code: CloseCode) -> None:
        """With a code of its choice."""

        async def on_init(socket: WebSocket, payload: dict[str, object] | None) -> None:
            raise CloseConnection(code, "Not with that token")

        served = await start(Sample(on_init=on_init))
        async with dial(served, init=False) as peer:
            await peer.send("connection_init")
            assert await peer.closing() == (code, "Not with that token")

    async def test_on_init_error_closes_the_websocket(self, start: Start, log: pytest.LogCaptureFixture) -> None:
        """The reason holds nothing but the id of the log record."""

        async def on_init(socket: WebSocket, payload: dict[str, object] | None) -> None:
            raise RuntimeError(SECRET)

        served = await start(Sample(on_init=on_init))
        async with dial(served, init=False) as peer:
            await peer.send("connection_init")
            code, reason = await peer.closing()
        (record,) = [record for record in log.records if record.levelname == "ERROR"]
        assert (code, reason) == (4403, f"Internal error {record.__dict__['error_id']}")


class TestPing:
    @pytest.mark.parametrize("init", [True, False])
    async def test_ping_payload_is_returned_in_the_pong(self, served: Served, init: bool) -> None:
        """Before and after connection_init."""
        async with dial(served, init=init) as peer:
            await peer.send("ping", payload={"at": [1, {"x": None}]})
            assert await peer.receive() == {"type": "pong", "payload": {"at": [1, {"x": None}]}}

    async def test_pong_can_hold_every_accepted_ping_payload(self, served: Served) -> None:
        """However deeply nested or large."""
        payload: dict[str, Any] = {"n": 2**200}
        for _ in range(190):
            payload = {"n": payload}
        async with dial(served) as peer:
            await peer.send("ping", payload=payload)
            assert await peer.receive() == {"type": "pong", "payload": payload}

    @pytest.mark.parametrize("rest", [{}, {"payload": None}])
    async def test_ping_without_payload_gets_a_pong_without_payload(self, served: Served, rest: dict[str, Any]) -> None:
        """Null means absent."""
        async with dial(served) as peer:
            await peer.send("ping", **rest)
            assert await peer.receive() == {"type": "pong"}


class TestPong:
    @pytest.mark.parametrize("rest", [{}, {"payload": None}, {"payload": {"x": 1}}])
    async def test_unsolicited_pong_is_ignored(self, served: Served, rest: dict[str, Any]) -> None:
        """A client may use it as a heartbeat."""
        async with dial(served) as peer:
            await peer.send("pong", **rest)
            await peer.receives_nothing_more()


async def ping_until_cancelled(peer: Peer) -> None:
    while True:
        await peer.send("ping")
        await asyncio.sleep(0.02)
