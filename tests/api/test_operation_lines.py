"""One log line for each operation, with who asked, how long it took, what failed, and the trace of the request."""

import json
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
import pytest_asyncio

from server.transports.protocols.kept_head_protocol import KeptHeadProtocol
from tests.support.client import Client
from tests.support.log_lines import Line, LogLines, log_lines
from tests.support.tokens import ProductionServer, production_server, token
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
NO_JOB = "job_01h455vb4pex5vsknk084sn02q"
CANARY = "swordfish"
QUERY = f'query Mine {{ jobs(filter: {{search: "{CANARY}"}}) {{ totalCount }} }}'
REFUSED = "mutation Begin($id: ID!) { startJob(input: {jobId: $id}) { errors { code } } }"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server for this file."""
    async with production_server(tmp_path_factory.mktemp("lines")) as server:
        yield server


@pytest.fixture
def lines() -> Generator[LogLines]:
    """The lines of requests and operations."""
    with log_lines() as lines:
        yield lines


def facts(line: Line) -> tuple[Any, ...]:
    """What a line shows of an operation, without what differs between runs."""
    return tuple(line.get(name) for name in ("kind", "operation", "transport", "errors", "user", "status"))


async def test_each_operation_over_http_has_one_line(server: ProductionServer, lines: LogLines) -> None:
    """With its trace and request id; probes have none, and what is no operation is a request."""
    amy = server.user("amy")
    amy.http.headers["traceparent"] = PARENT
    amy.http.headers["x-request-id"] = "r-1"
    await amy.result(QUERY)
    await amy.result(REFUSED, id=NO_JOB)
    await amy.result("{ nothing }")
    await amy.http.post("/graphql", content=b"{", headers={"content-type": "application/json"})
    await amy.http.get(f"/api/v3/jobs/{NO_JOB}")
    await amy.http.get("/healthz")
    await amy.http.get("/readyz")
    await amy.http.get("/" + "a" * 5_000)
    assert [facts(line) for line in lines.of("operation")] == [
        ("query", "Mine", "http", None, "amy", 200),
        ("mutation", "Begin", "http", "NOT_FOUND", "amy", 200),
        ("query", None, "http", "GRAPHQL_VALIDATION_FAILED", "amy", 200),
    ]
    assert [(line["message"], line["status"], line["user"]) for line in lines.of("http.request")] == [
        ("POST /graphql", 400, "amy"),
        (f"GET /api/v3/jobs/{NO_JOB}", 404, "amy"),
        ("GET /" + "a" * 999, 404, "amy"),
    ]
    everything = lines.all()
    assert len(everything) == 6
    assert {(line["trace_id"], line["request_id"]) for line in everything} == {(TRACE_ID, "r-1")}
    assert len({line["span_id"] for line in everything} - {PARENT[36:52]}) == 6
    assert all(line["seconds"] >= 0 and line["cost"] >= 1 for line in lines.of("operation"))


async def test_each_operation_of_a_websocket_has_its_lines(server: ProductionServer, lines: LogLines) -> None:
    """A subscription one at its start and one at its end; all belong to the trace of `connection_init`."""
    bea = Client(server.app.url, token("bea"))
    bea.init["payload"]["traceparent"] = PARENT
    job = await bea.mutate("createJob", "job { id }", title=CANARY, scenes=[{"prompt": CANARY}], provider="external")
    document = "subscription Watch($id: ID!) { jobEvents(jobId: $id) { __typename } }"
    async with bea.subscribe(document, id=job["job"]["id"]) as stream:
        await stream.next()
        for operation_id, query in (("2", "query Two { serverInfo { version } }"), ("3", "query Bad { nothing }")):
            message = {"id": operation_id, "type": "subscribe", "payload": {"query": query}}
            await stream.socket.send(json.dumps(message))
        await eventually(lambda: len(lines.of("operation")) == 3)
        (started,) = lines.of("operation.started")
    await eventually(lambda: any(line["kind"] == "subscription" for line in lines.of("operation")))
    _, two, bad, ended = lines.of("operation")
    assert facts(two) == ("query", "Two", "websocket", None, "bea", None)
    assert facts(bad) == ("query", "Bad", "websocket", "GRAPHQL_VALIDATION_FAILED", "bea", None)
    assert facts(started) == facts(ended) == ("subscription", "Watch", "websocket", None, "bea", None)
    assert (ended["messages"], ended["cost"], ended["seconds"] >= 0) == (1, started["cost"], True)
    assert {line["trace_id"] for line in (started, two, bad, ended)} == {TRACE_ID}
    assert len({line["span_id"] for line in (started, two, bad)}) == 3
    assert [line["message"] for line in lines.of("http.request")] == ["WEBSOCKET /graphql"]
    await bea.close()


async def test_event_stream_has_a_line_at_its_start_and_at_its_end(server: ProductionServer, lines: LogLines) -> None:
    """And none for its request."""
    cid = server.user("cid")
    job = await cid.mutate("createJob", "job { id }", title="a", scenes=[{"prompt": "b"}], provider="external")
    query = f'subscription Sse {{ jobProgress(jobId: "{job["job"]["id"]}") {{ total }} }}'
    accept = {"accept": "text/event-stream"}
    async with cid.http.stream("POST", "/graphql", json={"query": query}, headers=accept) as answer:
        async for text in answer.aiter_text():
            if "total" in text:
                break
    await eventually(lambda: len(lines.of("operation")) == 2)
    ended = lines.of("operation")[1]
    assert facts(ended) == ("subscription", "Sse", "sse", None, "cid", None)
    assert ended["messages"] == 1
    assert [facts(line) for line in lines.of("operation.started")] == [facts(ended)]
    assert lines.of("http.request") == []


async def test_repeated_request_has_the_trace_of_its_own_head(
    server: ProductionServer, lines: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the request is recognised by its bytes, and when its header is malformed or missing."""
    recognised: list[bool] = []
    recognise = KeptHeadProtocol._is_recognised  # pyright: ignore[reportPrivateUsage] # the answers do not show it

    def recorded(protocol: KeptHeadProtocol, data: bytes) -> bool:
        recognised.append(recognise(protocol, data))
        return recognised[-1]

    monkeypatch.setattr(KeptHeadProtocol, "_is_recognised", recorded)
    dan = server.user("dan")
    for number in range(1, 9):
        named = {"traceparent": f"00-{number:032x}-{number:016x}-01"}
        await dan.http.post("/graphql", json={"query": "query Again { __typename }"}, headers=named)
    await dan.http.post("/graphql", json={"query": "query Again { __typename }"}, headers={"traceparent": "00-0-0-0"})
    *valid, malformed = lines.of("operation")
    assert [line["trace_id"] for line in valid] == [f"{number:032x}" for number in range(1, 9)]
    assert len(malformed["trace_id"]) == 32
    assert malformed["trace_id"].strip("0")
    assert {facts(line) for line in (*valid, malformed)} == {("query", "Again", "http", None, "dan", 200)}
    assert recognised[-1]


async def test_lines_hold_no_text_of_requests(server: ProductionServer, lines: LogLines) -> None:
    """No search, title, variable, query string, token, nor what a client calls an operation that is not in the
    document."""
    eve = server.user("eve")
    await eve.result(QUERY)
    await eve.result("query Titles($text: String) { jobs(filter: {search: $text}) { totalCount } }", text=CANARY)
    body = {"query": "query A { __typename }", "operationName": CANARY, "variables": {CANARY: CANARY}}
    await eve.http.post("/graphql", json=body)
    await eve.http.get("/graphql", params={"query": QUERY, "access_token": CANARY})
    assert len(lines.texts) == 4
    assert CANARY not in "".join(lines.texts)
