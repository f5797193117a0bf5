"""GraphQL over server-sent events, in distinct connections mode."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from server.transports.closing import CloseCode
from server.transports.limits import TransportLimits
from tests.support.client import NO_AUTHORITIES
from tests.support.sample_app import SECRET, Sample
from tests.support.uvicorn_server import Served, idle
from tests.support.waiting import TIMEOUT_SECONDS
from tests.transports.conftest import Start
from tests.transports.log_records import warnings_in

PATH = "/graphql"
STREAM = {"accept": "text/event-stream"}


class Events:
    """The blocks of a stream, as sent."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._chunks = response.aiter_raw()
        self._buffer = b""

    async def block(self) -> bytes | None:
        """The bytes up to the next empty line; None at the end."""
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
        """The next event that is not a comment."""
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


async def test_subscription_is_a_stream_of_events(http: httpx.AsyncClient) -> None:
    """Lines end in LF. The last event has data, because EventSource dispatches none without."""
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


async def test_query_and_mutation_stream_their_single_result(http: httpx.AsyncClient, sample: Sample) -> None:
    """A client may use this transport for all operations."""
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


async def test_get_request_streams_a_subscription(http: httpx.AsyncClient) -> None:
    """EventSource sends GET requests only."""
    params = {"query": "subscription($n: Int!) { count(to: $n) }", "variables": '{"n": 1}'}
    async with http.stream("GET", PATH, params=params, headers=STREAM) as response:
        events = [event async for event in until_end(Events(response))]
    assert events == [("next", {"data": {"count": 1}}), ("complete", None)]


async def test_get_request_streams_no_mutation(http: httpx.AsyncClient, sample: Sample) -> None:
    """A link must not trigger a mutation, whatever it accepts."""
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
async def test_request_error_is_sent_as_an_event(http: httpx.AsyncClient, query: str, code: str) -> None:
    """EventSource does not expose an HTTP status."""
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


async def test_result_that_cannot_be_encoded_is_a_masked_event(http: httpx.AsyncClient) -> None:
    """And the stream is complete."""
    events = await all_events(http, "{ unwritable }")
    assert [name for name, _ in events] == ["next", "complete"]
    assert events[0][1]["errors"][0]["extensions"]["code"] == "INTERNAL"


async def test_idle_event_stream_sends_comments(start: Start) -> None:
    """They keep proxies from closing the connection."""
    served = await start(Sample(limits=TransportLimits(keep_alive_seconds=0.05)))
    async with (
        httpx.AsyncClient(base_url=served.origin, verify=NO_AUTHORITIES) as http,
        stream(http, "subscription { forever }") as events,
    ):
        blocks = [await events.block() for _ in range(4)]
    assert blocks == [b":", b'event: next\ndata: {"data":{"forever":1}}', b":", b":"]


async def test_disconnect_closes_the_subscription(
    http: httpx.AsyncClient, served: Served, sample: Sample, log: pytest.LogCaptureFixture
) -> None:
    """Without a warning in the log."""
    async with stream(http, "subscription { forever }") as events:
        await events.event()
        assert sample.probe.live == 1
    await sample.probe.until(live=0)
    await idle(served)
    assert len(sample.connections) == 0
    assert warnings_in(log) == []


async def test_mutation_completes_after_a_disconnect(served: Served, sample: Sample) -> None:
    """As over the other transports."""
    async with httpx.AsyncClient(verify=NO_AUTHORITIES) as client:
        request = asyncio.create_task(
            client.post(served.http, json={"query": 'mutation { writeSlowly(value: "x") }'}, headers=STREAM)
        )
        await sample.probe.until(live=1)
        request.cancel()
    sample.probe.release.set()
    await sample.probe.until(written=1)


async def test_close_request_of_a_subscription_ends_the_event_stream(http: httpx.AsyncClient, sample: Sample) -> None:
    """The reason is the last result, because there are no close codes."""
    async with stream(http, "subscription { revoked }") as events:
        await events.event()
        sample.probe.revoke.set()
        event = await events.event()
        assert event is not None
        (error,) = event[1]["errors"]
        assert (error["message"], error["extensions"]) == ("Token expired", {"code": "FORBIDDEN"})
        assert await events.event() == ("complete", None)


async def test_shutdown_ends_the_event_stream_without_complete(http: httpx.AsyncClient, sample: Sample) -> None:
    """So that the client reconnects; a stream opened later ends at once."""
    async with stream(http, "subscription { forever }") as events:
        await events.event()
        await sample.connections.close_all(CloseCode.GOING_AWAY)
        assert await events.event() is None
    await sample.probe.until(live=0)
    async with stream(http, "subscription { forever }") as events:
        assert ("complete", None) not in [event async for event in until_end(events)]
