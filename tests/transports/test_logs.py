"""One line for a request, none for a client's mistake, and never a query string."""

import logging

import httpx
import pytest

from server.transports import hide_query_strings
from tests.support.uvicorn_server import Served
from tests.support.websocket_peer import dial

OURS = ("uvicorn", "server", "strawberry", "asyncio", "root")


@pytest.fixture(autouse=True)
def hidden() -> None:
    hide_query_strings()


def lines(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.name.startswith(OURS)]


def test_hiding_twice_is_hiding_once() -> None:
    """An application may be started more than once in a process."""
    before = [*logging.getLogger("uvicorn.access").filters]
    hide_query_strings()
    assert logging.getLogger("uvicorn.access").filters == before


async def test_a_plain_request_logs_one_line(http: httpx.AsyncClient, log: pytest.LogCaptureFixture) -> None:
    """Without what was asked and by which token."""
    log.clear()
    await http.get("/graphql", params={"query": "{ hello }", "token": "swordfish"})
    (line,) = lines(log)
    assert line.endswith('"GET /graphql HTTP/1.1" 200')


@pytest.mark.parametrize("query", ["{", "{ nothing }", "query($n: Int!) { hello }", "subscription { forever }"])
async def test_a_clients_mistake_logs_one_line_as_well(
    http: httpx.AsyncClient, log: pytest.LogCaptureFixture, query: str
) -> None:
    """It is the client's business."""
    log.clear()
    await http.post("/graphql", json={"query": query})
    (record,) = [record for record in log.records if record.name.startswith(OURS)]
    assert (record.levelname, record.name) == ("INFO", "uvicorn.access")


async def test_a_socket_logs_its_beginning(served: Served, log: pytest.LogCaptureFixture) -> None:
    """Again without the query string, where browsers put tokens."""
    log.clear()
    with_token = Served(served.server, served.host, served.port, "/graphql?token=swordfish")
    async with dial(with_token) as peer:
        await peer.subscribe("{ nothing }")
        await peer.receive()
    assert any(line.endswith('"WebSocket /graphql" [accepted]') for line in lines(log))
    assert "swordfish" not in log.text
    assert {record.levelname for record in log.records} == {"INFO"}
