"""Widely used GraphQL clients, and the audits of GraphQL over HTTP, against the sample application."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Literal

import pytest
from gql import Client, GraphQLRequest, gql
from gql.client import AsyncClientSession
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from server.transports.closing import CloseCode, try_again_later
from server.transports.connections.stream_control import stream_control
from server.transports.protocols.websocket_protocol import WebSocketProtocol
from tests.support import node_runtime
from tests.support.sample_app import Sample
from tests.support.uvicorn_server import Served, serve
from tests.support.waiting import TIMEOUT_SECONDS
from tests.transports.log_records import warnings_in

DropMode = Literal["close", "crowd", "abort"]


@pytest.fixture(scope="session")
def packages() -> None:
    node_runtime.install()


@pytest.fixture
async def dropping(sample: Sample) -> AsyncGenerator[Served]:
    """The sample application, with a route that drops its clients."""
    app = sample.app()
    async with serve(app, sample.connections, sample.limits) as served:

        async def drop(how: DropMode) -> None:
            await drop_streams(served, sample, how)

        app.add_api_route("/drop/{how}", drop, methods=["POST"])
        yield served


async def drop_streams(served: Served, sample: Sample, how: DropMode) -> None:
    """Close the connections as a restarting or a crowded server does, or abort them as a crash does."""
    if how == "close":
        await sample.connections.close(CloseCode.SERVICE_RESTART, "Service restart", lambda _: True)
        return
    if how == "crowd":
        crowded = try_again_later("Too many connections")
        await sample.connections.close(crowded.code, crowded.reason, lambda _: True)
        return
    for stream in sample.connections:
        if (control := stream_control(stream.connection.scope)) is not None:
            control.abort()
    for connection in list(served.server.server_state.connections):
        if isinstance(connection, WebSocketProtocol):
            connection.transport.abort()


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("file", "tests"),
    [
        ("audits.test.js", 61),
        ("graphql-ws.test.js", 9),
        ("graphql-sse.test.js", 7),
        ("apollo.test.js", 7),
        ("urql.test.js", 8),
        ("apollo-persisted.test.js", 5),
        ("urql-persisted.test.js", 6),
    ],
)
async def test_node_clients_and_audits_pass(
    dropping: Served, file: str, tests: int, log: pytest.LogCaptureFixture
) -> None:
    """All tests of the file ran and passed, and the server logged no warning."""
    outcome = await node_runtime.run_tests(file, {"GRAPHQL_HTTP": dropping.http, "GRAPHQL_WS": dropping.ws})
    assert (outcome.exit_status, outcome.passed, outcome.failed) == (0, tests, 0), outcome.output
    assert warnings_in(log) == []


class TestGql:
    """https://github.com/graphql-python/gql"""

    async def test_gql_over_http(self, served: Served, sample: Sample) -> None:
        """A query, a mutation, a request error."""
        async with Client(transport=HTTPXAsyncTransport(served.http)) as session:
            assert await session.execute(gql("{ hello }")) == {"hello": "Hello world"}
            assert await session.execute(gql('mutation { write(value: "x") }')) == {"write": "x"}
            with pytest.raises(TransportQueryError, match="nothing"):
                await session.execute(gql("{ nothing }"))
        assert sample.probe.written == ["x"]

    async def test_gql_over_websocket(self, served: Served, sample: Sample) -> None:
        """A query, a mutation, a subscription, a request error."""
        async with Client(transport=WebsocketsTransport(served.ws)) as session:
            assert await session.execute(gql("{ hello }")) == {"hello": "Hello world"}
            assert await session.execute(gql('mutation { write(value: "x") }')) == {"write": "x"}
            counted = [result async for result in session.subscribe(gql("subscription { count(to: 2) }"))]
            assert counted == [{"count": 1}, {"count": 2}]
            with pytest.raises(TransportQueryError, match="nothing"):
                await session.execute(gql("{ nothing }"))
        await sample.probe.until(live=0)

    @pytest.mark.parametrize("how", ["close", "crowd", "abort"])
    async def test_gql_websocket_reconnects(self, served: Served, sample: Sample, how: DropMode) -> None:
        """The dropped subscription fails; the next one runs on a new websocket."""
        forever = gql("subscription { forever }")
        client = Client(transport=WebsocketsTransport(served.ws))
        session = await client.connect_async(reconnecting=True, retry_connect=False)  # pyright: ignore[reportUnknownMemberType]  # its keywords are open
        stream = session.subscribe(forever)
        assert await anext(stream) == {"forever": 1}
        await drop_streams(served, sample, how)
        with pytest.raises(TransportError):
            await anext(stream)
        async with asyncio.timeout(TIMEOUT_SECONDS):
            assert await first_result(session, forever) == {"forever": 1}
        await client.close_async()
        await sample.probe.until(live=0)


async def first_result(session: AsyncClientSession, request: GraphQLRequest) -> dict[str, Any]:
    """Retry until the session has reconnected, which it does not report."""
    while True:
        try:
            async for result in session.subscribe(request):
                return result
        except TransportError:
            await asyncio.sleep(0.01)
