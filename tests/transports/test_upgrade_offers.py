"""Offers of other protocols in the Upgrade header: only the handshake of a websocket is accepted."""

import asyncio

import pytest

from tests.support.raw_http import RawConnection
from tests.transports.log_records import warnings_in
from tests.transports.raw_requests import BODY, CHUNKS, HANDSHAKE, JSON_POST, WHOLE

OFFERS = {
    "h2c": b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
    "tls": b"connection: upgrade\r\nupgrade: TLS/1.2\r\n",
    "websocket": b"connection: upgrade\r\nupgrade: websocket\r\n",
    "two_protocols": b"connection: upgrade\r\nupgrade: h2c, websocket\r\n",
    "two_headers": b"connection: upgrade\r\nupgrade: h2c\r\nupgrade: websocket\r\n",
}


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("split", [False, True], ids=["at_once", "byte_by_byte"])
async def test_offer_of_another_protocol_keeps_the_body(
    connection: RawConnection, offer: str, chunked: bool, split: bool, log: pytest.LogCaptureFixture
) -> None:
    """curl --http2 and Java's HttpClient send one; it is ignored, and the connection stays open (RFC 9110, 7.8)."""
    framing = b"transfer-encoding: chunked\r\n" if chunked else b"content-length: %d\r\n" % len(BODY)
    body = CHUNKS + b"0\r\n\r\n" if chunked else BODY
    data = (JSON_POST + OFFERS[offer] + framing + b"\r\n" + body) * 2 + WHOLE
    for part in [data[n : n + 1] for n in range(len(data))] if split else [data]:
        await connection.send(part)
        if split:
            await asyncio.sleep(0)
    for _ in range(3):
        response = await connection.response()
        assert (response.status, response.json) == (200, {"data": {"hello": "Hello world"}})
    assert warnings_in(log) == []


async def test_get_request_with_an_offer_is_answered(connection: RawConnection) -> None:
    """A GET has no body; without keep-alive the connection closes."""
    head = b"GET /graphql?query={hello} HTTP/1.1\r\nhost: a\r\n" + OFFERS["h2c"]
    await connection.send(head + b"\r\n")
    assert (await connection.response()).json == {"data": {"hello": "Hello world"}}
    await connection.send(head.replace(b"connection: ", b"connection: close, ") + b"\r\n")
    assert (await connection.response()).headers["connection"] == "close"
    assert await connection.rest() == b""


@pytest.mark.parametrize("change", ["POST", "HTTP/1.0", "body", "chunks"])
async def test_handshake_of_another_shape_is_no_websocket(connection: RawConnection, change: str) -> None:
    """Only a GET of HTTP/1.1 without a body is one, or a body would be read as frames. A GET gets the reason."""
    head = HANDSHAKE
    match change:
        case "POST":
            data = head.replace(b"GET", b"POST") + b"\r\n"
        case "HTTP/1.0":
            data = head.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n"
        case "body":
            data = head + b"content-length: 1\r\n\r\n1"
        case _:
            data = head + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    await connection.send(data)
    assert (await connection.response()).status == (415 if change == "POST" else 426)
    if change != "HTTP/1.0":
        await connection.send(WHOLE)
        assert (await connection.response()).json == {"data": {"hello": "Hello world"}}


async def test_websocket_handshake_is_accepted(connection: RawConnection) -> None:
    """Also if Connection is in two lines and Content-Length is 0."""
    await connection.send(HANDSHAKE + b"connection: keep-alive\r\ncontent-length: 0\r\n\r\n")
    assert (await connection.response()).status == 101


async def test_handshake_may_be_as_long_as_any_head(connection: RawConnection) -> None:
    """As behind proxies that add cookies and tokens; its headers need not be ASCII (RFC 9110, section 5.5)."""
    long = HANDSHAKE.replace(b"/graphql", b"/graphql?x=" + b"a" * 20_000)
    await connection.send(long + b"cookie: a=\xe4" + b"b" * 20_000 + b"\r\n\r\n")
    assert (await connection.response()).status == 101


@pytest.mark.parametrize("target", [b"/graphql?\xc3\xa4", b"/\xff"], ids=["query", "path"])
async def test_handshake_with_an_address_that_is_not_ascii_is_malformed(
    connection: RawConnection, target: bytes
) -> None:
    """Like other requests with one."""
    await connection.send(HANDSHAKE.replace(b"/graphql", target) + b"\r\n")
    response = await connection.response()
    assert (response.status, response.json["error"]["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("version", b"12", 400), ("key", b"dGhlIHNhbXBsZQ==", 400), ("key", b"%", 400), ("version", b"13\r\nx: y", 101)],
    ids=["version", "short_key", "key_of_another_alphabet", "valid"],
)
async def test_handshake_is_checked_by_the_websocket_library(
    connection: RawConnection, header: str, value: bytes, status: int
) -> None:
    """It gets the lines as they were parsed."""
    name = b"sec-websocket-" + header.encode() + b": "
    before, _, rest = HANDSHAKE.partition(name)
    await connection.send(before + name + value + rest[rest.index(b"\r\n") :] + b"\r\n")
    assert (await connection.response()).status == status
