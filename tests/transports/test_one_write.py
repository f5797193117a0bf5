"""Responses whose head and body are sent in one write."""

import asyncio
import json
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from server.transports.responses.one_write import ONE_WRITE_EXTENSION, OneWrite, one_write
from tests.support.uvicorn_server import Served

BODY = json.dumps({"query": "{ hello }"}).encode()


def request(method: bytes = b"POST", *headers: bytes, body: bytes = BODY) -> bytes:
    """The bytes of a request."""
    lines = (b"host: a", b"content-type: application/json", b"content-length: %d" % len(body), *headers)
    return method + b" /graphql HTTP/1.1\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + body


class Transport:
    """Records what is written to a connection."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class Cycle:
    """The part of a cycle that `OneWrite` uses."""

    def __init__(self) -> None:
        self.transport: Any = Transport()


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of writes of each block of a server in this process."""
    counts: list[int] = []
    write = OneWrite.write

    def counted(self: OneWrite, data: bytes) -> None:
        counts.append(len(data))
        write(self, data)

    monkeypatch.setattr(OneWrite, "write", counted)
    return counts


async def test_two_writes_are_joined_before_the_block_ends() -> None:
    """The cycle calls back in between, and then the next response may be written."""
    cycle: Any = Cycle()
    transport: Transport = cycle.transport
    with OneWrite(cycle):
        cycle.transport.write(b"head ")
        assert transport.written == []
        cycle.transport.write(b"body")
        assert transport.written == [b"head body"]
    assert cycle.transport is transport
    cycle.transport.write(b"more")
    assert transport.written == [b"head body", b"more"]


async def test_head_without_a_body_is_written_at_the_end_of_the_block() -> None:
    """Also when the response fails, and before the connection is closed."""
    cycle: Any = Cycle()
    transport: Transport = cycle.transport

    def fail_after_the_head() -> None:
        with OneWrite(cycle):
            cycle.transport.write(b"head")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_the_head()
    with OneWrite(cycle):
        cycle.transport.write(b"last")
        cycle.transport.close()
    assert (transport.written, transport.closed) == ([b"head", b"last"], True)


async def test_closed_connection_is_not_written_to() -> None:
    """uvloop would warn of it."""
    cycle: Any = Cycle()
    transport: Transport = cycle.transport
    with OneWrite(cycle):
        cycle.transport.write(b"head")
        transport.close()
    assert transport.written == []


@pytest.mark.parametrize("scope", [{}, {"extensions": {}}], ids=["none", "empty"])
async def test_block_does_nothing_on_another_server(scope: dict[str, Any]) -> None:
    """Its scope has no such extension."""
    with one_write({"method": "POST", **scope}):
        pass


async def test_head_request_is_written_as_usual() -> None:
    """Its response has no body, and its head would wait for the end of the block."""
    cycle: Any = Cycle()
    with one_write({"method": "HEAD", "extensions": {ONE_WRITE_EXTENSION: OneWrite(cycle)}}):
        assert isinstance(cycle.transport, Transport)


async def test_pipelined_requests_are_answered_in_order(served: Served, writes: list[int]) -> None:
    """The last one is malformed: its rejection follows the answers before it."""
    reader, writer = await asyncio.open_connection(served.host, served.port)
    writer.write(request() + request() + b"POST /graphql HTTP/1.1\r\n\r\n")
    received = await reader.read()
    writer.close()
    assert [part.split(b" ", 1)[0] for part in received.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"400"]
    assert received.count(b'{"data":{"hello"') == 2
    assert len(writes) == 4


async def test_answer_before_a_closed_connection_is_complete(served: Served, writes: list[int]) -> None:
    """With `Connection: close`, and for HTTP/1.0."""
    for text in (request(b"POST", b"connection: close"), request().replace(b"HTTP/1.1", b"HTTP/1.0")):
        reader, writer = await asyncio.open_connection(served.host, served.port)
        writer.write(text)
        received = await reader.read()
        writer.close()
        head, _, body = received.partition(b"\r\n\r\n")
        assert b"connection: close" in head.lower()
        assert json.loads(body)["data"]["hello"]
    assert len(writes) == 4


def test_cycle_of_uvicorn_writes_to_its_transport_only() -> None:
    """The attribute that the block replaces."""
    assert {"transport", "on_response"} <= set(RequestResponseCycle.__init__.__annotations__)
