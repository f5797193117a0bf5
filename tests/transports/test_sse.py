"""GraphQL over server-sent events, distinct connections mode, byte by byte."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from server.transports import CloseCode, TransportLimits
from tests.support.sample_app import SECRET, Sample
from tests.support.uvicorn_server import Served, idle
from tests.support.waiting import TIMEOUT_SECONDS
from tests.transports.conftest import Start

PATH = "/graphql"
STREAM = {"accept": "text/event-stream"}


class Events:
    """The blocks of a stream, as they were written."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._chunks = response.aiter_raw()
        self._buffer = b""

    async def block(self) -> bytes | None:
        """Up to the next empty line; None at the end."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while b"\n\n" not in self._buffer:
                try:
                    self._buffer += await anext(self._chunks)
                except StopAsyncIteration:
                    assert self._buffer == b""
                    return None
        block, _, self._buffer = self._buffer.partition(b"\n\n")
        return block

    async def event(self) -> tuple[str, Any] | None:
        """The next one that is no comment."""
        while (block := await self.block()) is not None:
            if block.startswith(b":"):
                continue
            name, data = block.decode().split("\n")
            payload = data.removeprefix("data: ")
            return name.removeprefix("event: "), json.loads(payload) if payload else None
        return None


@asynccontextmanager
async def stream(http: httpx.AsyncClient, query: str, **params: Any) -> AsyncGenerator[Events]:
    async with http.stream("POST", PATH, json={"query": query, **params}, headers=STREAM) as response:
        yield Events(response)


async def all_events(http: httpx.AsyncClient, query: str, **params: Any) -> list[tuple[str, Any]]:
    async with stream(http, query, **params) as events:
        return [event async for event in until_end(events)]


async def until_end(events: Events) -> AsyncGenerator[tuple[str, Any]]:
    while (event := await events.event()) is not None:
        yield event


async def test_a_subscription_is_a_stream_of_events(http: httpx.AsyncClient) -> None:
    """Lines end in LF; the last event has data, or a browser would not tell of it."""
    async with stream(http, "subscription { count(to: 2) }") as events:
        assert events.response.status_code == 200
        assert events.response.headers["content-type"] == "text/event-stream"
        assert events.response.headers["cache-control"] == "no-store"
        assert [await events.block() for _ in range(5)] == [
            b":",
            b'event: next\ndata: {"data":{"count":1}}',
            b'event: next\ndata: {"data":{"count":2}}',
            b"event: complete\ndata: ",
            None,
        ]


async def test_queries_and_mutations_stream_their_one_result(http: httpx.AsyncClient, sample: Sample) -> None:
    """A client may use one transport for all."""
    query = "query($n: String!) { hello(name: $n) }"
    assert await all_events(http, query, variables={"n": "you"}) == [
        ("next", {"data": {"hello": "Hello you"}}),
        ("complete", None),
    ]
    assert await all_events(http, 'mutation { write(value: "x") }') == [
        ("next", {"data": {"write": "x"}}),
        ("complete", None),
    ]
    assert sample.probe.written == ["x"]


async def test_a_browser_can_get_a_stream(http: httpx.AsyncClient) -> None:
    """EventSource knows nothing else."""
    params = {"query": "subscription($n: Int!) { count(to: $n) }", "variables": '{"n": 1}'}
    async with http.stream("GET", PATH, params=params, headers=STREAM) as response:
        events = [event async for event in until_end(Events(response))]
    assert events == [("next", {"data": {"count": 1}}), ("complete", None)]


async def test_a_mutation_cannot_be_got(http: httpx.AsyncClient, sample: Sample) -> None:
    """A link must not change anything, whatever it accepts."""
    response = await http.get(PATH, params={"query": 'mutation { write(value: "x") }'}, headers=STREAM)
    assert response.status_code == 405
    assert sample.probe.written == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription($n: Int!) { count(to: $n) }", "BAD_USER_INPUT"),
        ("query A { hello } query B { hello }", "OPERATION_RESOLUTION_FAILURE"),
    ],
)
async def test_a_request_error_is_an_event(http: httpx.AsyncClient, query: str, code: str) -> None:
    """A status would leave an EventSource in the dark."""
    (name, payload), complete = await all_events(http, query)
    assert (name, complete) == ("next", ("complete", None))
    assert "data" not in payload
    assert payload["errors"][0]["extensions"]["code"] == code


async def test_a_request_that_is_none_is_refused_by_its_status(http: httpx.AsyncClient) -> None:
    """In JSON: there is no operation to stream."""
    response = await http.post(PATH, content=b"{", headers={**STREAM, "content-type": "application/json"})
    assert (response.status_code, response.headers["content-type"]) == (400, "application/json; charset=utf-8")


async def test_a_subscription_that_fails_says_so_and_completes(http: httpx.AsyncClient) -> None:
    """Without the words of the exception."""
    events = await all_events(http, "subscription { failing }")
    assert [name for name, _ in events] == ["next", "next", "complete"]
    assert events[1][1]["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert SECRET not in json.dumps(events)


async def test_a_result_that_cannot_be_written_is_an_internal_error(http: httpx.AsyncClient) -> None:
    """And still a whole stream."""
    events = await all_events(http, "{ unwritable }")
    assert [name for name, _ in events] == ["next", "complete"]
    assert events[0][1]["errors"][0]["extensions"]["code"] == "INTERNAL"


async def test_silence_is_filled_with_comments(start: Start) -> None:
    """Which keep proxies from hanging up."""
    served = await start(Sample(limits=TransportLimits(keep_alive_seconds=0.05)))
    async with (
        httpx.AsyncClient(base_url=served.origin) as http,
        stream(http, "subscription { forever }") as events,
    ):
        blocks = [await events.block() for _ in range(4)]
    assert blocks == [b":", b'event: next\ndata: {"data":{"forever":1}}', b":", b":"]


async def test_a_client_that_leaves_closes_the_generator(
    http: httpx.AsyncClient, served: Served, sample: Sample, log: pytest.LogCaptureFixture
) -> None:
    """Without a word in the log."""
    async with stream(http, "subscription { forever }") as events:
        await events.event()
        assert sample.probe.live == 1
    await sample.probe.until(live=0)
    await idle(served)
    assert len(sample.connections) == 0
    assert [record for record in log.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_a_mutation_survives_the_client(served: Served, sample: Sample) -> None:
    """As over any other transport."""
    async with httpx.AsyncClient() as leaving:
        asking = asyncio.create_task(
            leaving.post(served.http, json={"query": 'mutation { writeSlowly(value: "x") }'}, headers=STREAM)
        )
        await sample.probe.until(live=1)
        asking.cancel()
    sample.probe.release.set()
    await sample.probe.until(written=1)


async def test_a_revoked_subscription_ends(http: httpx.AsyncClient, sample: Sample) -> None:
    """With the reason as its last result: there are no close codes here."""
    async with stream(http, "subscription { revoked }") as events:
        await events.event()
        sample.probe.revoke.set()
        event = await events.event()
        assert event is not None
        (error,) = event[1]["errors"]
        assert (error["message"], error["extensions"]) == ("Token expired", {"code": "FORBIDDEN"})
        assert await events.event() == ("complete", None)


async def test_a_server_that_stops_ends_the_stream_without_completing_it(
    http: httpx.AsyncClient, sample: Sample
) -> None:
    """So that the client comes back; one that comes too early is sent away at once."""
    async with stream(http, "subscription { forever }") as events:
        await events.event()
        await sample.connections.close_all(CloseCode.GOING_AWAY)
        assert await events.event() is None
    await sample.probe.until(live=0)
    async with stream(http, "subscription { forever }") as events:
        assert ("complete", None) not in [event async for event in until_end(events)]
