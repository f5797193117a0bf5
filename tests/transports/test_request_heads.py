"""Heads and trailers of requests on the wire: their size, their ambiguities and their deadlines."""

import asyncio
from collections.abc import Callable

import pytest

from server.transports.limits import TransportLimits
from server.transports.protocols.http_protocol import HttpProtocol
from tests.support.raw_http import RawConnection, RawResponse, raw_connection, raw_exchange
from tests.support.sample_app import Sample
from tests.support.uvicorn_server import Served
from tests.support.waiting import eventually
from tests.transports.conftest import Start
from tests.transports.log_records import warnings_in
from tests.transports.raw_requests import BODY, CHUNKED, CHUNKS, HANDSHAKE, JSON_POST, WHOLE

LIMIT, FIELDS = TransportLimits().head_bytes, TransportLimits().head_fields
MEGABYTE = 1_000_000


@pytest.fixture
def longest_portion(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return the most bytes that were parsed at once."""
    lengths = [0]
    parse = HttpProtocol._parse  # pyright: ignore[reportPrivateUsage] # bounds the time without an await

    def counted(protocol: HttpProtocol, portion: bytes) -> None:
        lengths.append(len(portion))
        parse(protocol, portion)

    monkeypatch.setattr(HttpProtocol, "_parse", counted)
    return lambda: max(lengths)


def code_of(response: RawResponse) -> str:
    """The code of the error, which is the same in the shapes of both APIs."""
    (error,) = response.json["errors"]
    assert response.json["error"]["code"] == error["extensions"]["code"]
    assert response.json["error"]["message"] == error["message"]
    return error["extensions"]["code"]


def fields(number: int, name: bytes = b"x") -> bytes:
    return b"".join(b"%s-%d: y\r\n" % (name, n) for n in range(number))


TOO_LARGE = {
    "request_line": (b"GET /graphql?query=" + b"a" * MEGABYTE, 414),
    "method": (b"G" * MEGABYTE, 400),
    "name": (JSON_POST + b"x" * MEGABYTE, 431),
    "value": (JSON_POST + b"x: " + b"y" * MEGABYTE, 431),
    "spaces_before_a_value": (JSON_POST + b"x:" + b" " * MEGABYTE, 431),
    "many_headers": (JSON_POST + fields(20_000), 431),
    "many_headers_of_a_complete_head": (JSON_POST + fields(FIELDS - 1) + b"\r\n", 431),
    "many_values": (JSON_POST + (b"x: " + b"y" * 8_000 + b"\r\n") * 9 + b"\r\n", 431),
    "empty_lines_before_the_request": (b"\r\n" * MEGABYTE, 431),
    "trailer_name": (CHUNKED + b"\r\n" + CHUNKS + b"0\r\n" + b"x" * MEGABYTE, 431),
    "trailer_value": (CHUNKED + b"\r\n" + CHUNKS + b"0\r\nx: " + b"y" * MEGABYTE, 431),
    "many_trailers": (CHUNKED + b"\r\n" + CHUNKS + b"0\r\n" + fields(FIELDS), 431),
    "chunk_extension": (CHUNKED + b"\r\n1;x=" + b"y" * MEGABYTE, 431),
    "many_chunk_extensions": (CHUNKED + b"\r\n" + b"1;xyz=abcdefghijklmn\r\na\r\n" * 50_000, 431),
    "second_request": (WHOLE + JSON_POST + b"x: " + b"y" * MEGABYTE, 431),
    "websocket_handshake": (HANDSHAKE + b"x: " + b"y" * MEGABYTE, 431),
    "many_headers_of_a_handshake": (HANDSHAKE + fields(FIELDS) + b"\r\n", 431),
    "long_address_of_a_handshake": (HANDSHAKE.replace(b"/graphql", b"/graphql?" + b"a" * LIMIT) + b"\r\n", 414),
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_request_with_a_head_over_the_limit_is_rejected(
    connection: RawConnection, name: str, longest_portion: Callable[[], int], log: pytest.LogCaptureFixture
) -> None:
    """The response arrives although the client continues to send; nothing is parsed in large portions."""
    data, status = TOO_LARGE[name]
    sending = asyncio.create_task(connection.send(data))
    if data.startswith(WHOLE):
        assert (await connection.response()).json == {"data": {"hello": "Hello world"}}
    response = await connection.response()
    codes = {400: "BAD_REQUEST", 414: "URI_TOO_LONG", 431: "HEADERS_TOO_LARGE"}
    assert (response.status, code_of(response)) == (status, codes[status])
    assert response.headers["connection"] == "close"
    assert response.headers["cache-control"] == "no-store"
    assert await connection.rest() == b""
    await sending
    assert longest_portion() <= 16_384
    assert warnings_in(log) == []


async def test_bytes_of_a_head_over_the_limit_are_not_kept(served: Served, sample: Sample) -> None:
    """Neither the server nor the parser stores them; the address is as long as the limit allows."""
    async with raw_connection(served.host, served.port) as connection:
        await connection.send(b"GET /graphql HTTP/1.1\r\nx: " + b"y" * (LIMIT // 2))
        (protocol,) = served.server.server_state.connections
        assert isinstance(protocol, HttpProtocol)
        await connection.send(b"y" * MEGABYTE)
        assert (await connection.response()).status == 431
        assert vars(protocol)["_unread"] == b""


@pytest.mark.parametrize("extra", [0, 1])
async def test_largest_head_is_accepted_and_one_more_byte_is_not(served: Served, extra: int) -> None:
    """The size is that of the address and of each header with its separators."""
    address, host = b"/graphql?query={hello}&x=", b"host: a\r\n"
    value = b"y" * (LIMIT - len(address) - len(host) - len(b"x: \r\n") + extra)
    data = b"GET %s HTTP/1.1\r\n%sx: %s\r\n\r\n" % (address, host, value)
    assert (await raw_exchange(served.host, served.port, data)).status == (431 if extra else 200)


@pytest.mark.parametrize(("headers", "trailers"), [(FIELDS - 3, 0), (50, FIELDS - 53)], ids=["headers", "trailers"])
@pytest.mark.parametrize("extra", [0, 1])
async def test_number_of_headers_and_trailers_is_limited(
    served: Served, headers: int, trailers: int, extra: int
) -> None:
    """Both together."""
    data = CHUNKED + fields(headers + extra) + b"\r\n" + CHUNKS + b"0\r\n" + fields(trailers) + b"\r\n"
    assert (await raw_exchange(served.host, served.port, data)).status == (431 if extra else 200)


MALFORMED = {
    "two_hosts": b"GET /graphql HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
    "no_host": b"GET /graphql HTTP/1.1\r\n\r\n",
    "no_host_of_a_handshake": HANDSHAKE.replace(b"host: a\r\n", b"") + b"\r\n",
    "two_hosts_of_a_handshake": HANDSHAKE + b"host: b\r\n\r\n",
    "host_with_a_path": b"GET /graphql HTTP/1.1\r\nhost: a/b\r\n\r\n",
    "host_with_a_user": b"GET /graphql HTTP/1.1\r\nhost: a@b\r\n\r\n",
    "two_hosts_in_one": b"GET /graphql HTTP/1.1\r\nhost: a b\r\n\r\n",
    "repeated_content_length": JSON_POST + b"content-length: 1\r\ncontent-length: 1\r\n\r\n1",
    "list_of_content_lengths": JSON_POST + b"content-length: 1, 1\r\n\r\n1",
    "signed_content_length": JSON_POST + b"content-length: +1\r\n\r\n1",
    "content_length_and_chunks": CHUNKED + b"content-length: 1\r\n\r\n0\r\n\r\n",
    "chunks_and_content_length": JSON_POST + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks_of_http_1_0": CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n0\r\n\r\n",
    "folded_line": b"GET /graphql HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n",
    "bare_line_feed": b"GET /graphql HTTP/1.1\r\nhost: a\nx: y\r\n\r\n",
    "bare_line_feed_after_the_request_line": b"GET /graphql HTTP/1.1\nhost: a\r\n\r\n",
    "bare_carriage_return": b"GET /graphql HTTP/1.1\r\nhost: a\r\nx: y\rz\r\n\r\n",
    "nul_in_a_value": b"GET /graphql HTTP/1.1\r\nhost: a\r\nx: y\0z\r\n\r\n",
    "nul_in_a_name": b"GET /graphql HTTP/1.1\r\nhost: a\r\nx\0: y\r\n\r\n",
    "nul_in_the_address": b"GET /graphql\0 HTTP/1.1\r\nhost: a\r\n\r\n",
    "space_before_the_colon": b"GET /graphql HTTP/1.1\r\nhost : a\r\n\r\n",
    "bare_line_feed_in_a_chunk": CHUNKED + b"\r\n1\n1\r\n0\r\n\r\n",
    "data_beyond_the_chunk": CHUNKED + b"\r\n1\r\n12\r\n0\r\n\r\n",
    "proxy_request": b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_ambiguous_request_is_a_400(served: Served, name: str, log: pytest.LogCaptureFixture) -> None:
    """RFC 9112, sections 2.2, 3.2, 5.2 and 6.3; without a warning in the log."""
    async with raw_connection(served.host, served.port) as connection:
        await connection.send(MALFORMED[name])
        response = await connection.response()
        assert (response.status, code_of(response)) == (400, "BAD_REQUEST")
        assert await connection.rest() == b""
    assert warnings_in(log) == []


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /graphql HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"GET /graphql\r\n\r\n", 505),
        (JSON_POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET /graphql?query={hello} HTTP/1.0\r\n\r\n", 200),
        (b"GET /graphql?query={hello} HTTP/1.1\r\nhost: [::1]:4000\r\n\r\n", 200),
    ],
    ids=["http_2", "http_0_9", "compressed_chunks", "http_1_0_without_a_host", "host_of_ipv6"],
)
async def test_protocol_version_and_transfer_coding_are_checked(served: Served, data: bytes, status: int) -> None:
    """HTTP/1.0 has no Host header."""
    assert (await raw_exchange(served.host, served.port, data)).status == status


async def test_trailer_does_not_change_the_request(connection: RawConnection) -> None:
    """A trailer changes neither the content type nor the user (RFC 9110, 6.5.1)."""
    head = b"POST /graphql HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    await connection.send(head + CHUNKS + b"0\r\ncontent-type: application/json\r\n\r\n")
    assert (await connection.response()).status == 415


async def test_requests_that_wait_for_responses_are_answered_in_order(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client sends a thousand with bodies; only those of one portion are parsed before the first response."""
    served = await start(Sample())
    waiting: list[int] = []
    on_message_begin = HttpProtocol.on_message_begin

    def counted(protocol: HttpProtocol) -> None:
        waiting.append(len(protocol.pipeline))
        on_message_begin(protocol)

    monkeypatch.setattr(HttpProtocol, "on_message_begin", counted)
    async with raw_connection(served.host, served.port) as connection:
        sending = asyncio.create_task(connection.send(WHOLE * 1_000 + MALFORMED["two_hosts"]))
        for _ in range(1_000):
            assert (await connection.response()).json == {"data": {"hello": "Hello world"}}
        assert (await connection.response()).status == 400
        assert await connection.rest() == b""
        await sending
    assert len(waiting) == 1_001
    assert max(waiting) <= 16_384 // len(WHOLE)


async def test_deadlines_run_only_while_a_request_arrives(served: Served, connection: RawConnection) -> None:
    """They do not run while a request is answered, nor between requests, where the keep-alive timer runs."""
    (protocol,) = served.server.server_state.connections
    assert isinstance(protocol, HttpProtocol)

    def deadline() -> tuple[bool, bool]:
        found = vars(protocol)["_deadline"]
        return found.runs, found.is_half_open

    assert deadline() == (True, True)
    for part in (b"", b"\r\n"):
        await connection.send(part + WHOLE)
        await connection.response()
        await eventually(lambda: protocol.timeout_keep_alive_task is not None)
        assert deadline() == (False, False)
    for part, expected in (
        (JSON_POST, (True, True)),
        (b"content-length: %d\r\n\r\n" % len(BODY), (True, False)),
        (BODY, (False, False)),
        (b"\r\n", (True, True)),
    ):
        await connection.send(part)
        await eventually(lambda expected=expected: deadline() == expected)


@pytest.mark.parametrize("extra", [0, 1])
async def test_number_of_chunks_is_limited(served: Served, extra: int) -> None:
    """The limit applies to chunks of one byte."""
    spaces = TransportLimits().body_chunks - 3 + extra
    data = CHUNKED + b"\r\n" + b"1\r\n \r\n" * spaces + CHUNKS + b"0\r\n\r\n"
    assert (await raw_exchange(served.host, served.port, data)).status == (413 if extra else 200)


async def test_body_of_a_refused_request_is_discarded(connection: RawConnection) -> None:
    """The connection stays usable, and the next request on it is answered."""
    data = JSON_POST + b"content-length: %d\r\n\r\n" % (3 * MEGABYTE) + b" " * (3 * MEGABYTE)
    sending = asyncio.create_task(connection.send(data + WHOLE))
    assert (await connection.response()).status == 413
    assert (await connection.response()).json == {"data": {"hello": "Hello world"}}
    await sending
