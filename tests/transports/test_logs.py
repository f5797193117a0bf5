"""One log line per request, without the query string."""

import logging

import httpx
import pytest

from server.transports.logs import hide_query_strings
from tests.support.uvicorn_server import Served
from tests.support.websocket_peer import dial

OURS = ("uvicorn", "server", "strawberry", "asyncio", "root")


@pytest.fixture(autouse=True)
def hidden() -> None:
    hide_query_strings()


def lines(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.name.startswith(OURS)]


def test_log_filter_is_installed_once() -> None:
    """An application may start several times in a process."""
    before = [*logging.getLogger("uvicorn.access").filters]
    hide_query_strings()
    assert logging.getLogger("uvicorn.access").filters == before


async def test_http_request_logs_one_line_without_the_query_string(
    http: httpx.AsyncClient, log: pytest.LogCaptureFixture
) -> None:
    """Neither the document nor the token."""
    log.clear()
    await http.get("/graphql", params={"query": "{ hello }", "token": "swordfish"})
    (line,) = lines(log)
    assert line.endswith('"GET /graphql HTTP/1.1" 200')


@pytest.mark.parametrize("query", ["{", "{ nothing }", "query($n: Int!) { hello }", "subscription { forever }"])
async def test_request_error_logs_one_line(http: httpx.AsyncClient, log: pytest.LogCaptureFixture, query: str) -> None:
    """At level INFO: it is no error of the server."""
    log.clear()
    await http.post("/graphql", json={"query": query})
    (record,) = [record for record in log.records if record.name.startswith(OURS)]
    assert (record.levelname, record.name) == ("INFO", "uvicorn.access")


async def test_websocket_logs_its_handshake_without_the_query_string(
    served: Served, log: pytest.LogCaptureFixture
) -> None:
    """Browsers put tokens there."""
    log.clear()
    with_token = Served(served.server, served.host, served.port, "/graphql?token=swordfish")
    async with dial(with_token) as peer:
        await peer.subscribe("{ nothing }")
        await peer.receive()
    assert any(line.endswith('"WebSocket /graphql" [accepted]') for line in lines(log))
    assert "swordfish" not in log.text
    assert {record.levelname for record in log.records} == {"INFO"}
