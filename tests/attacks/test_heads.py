"""Heads, trailers and chunks on the wire, sent without a token."""

import asyncio

import pytest

from tests.support.attack_target import Target
from tests.support.raw_http import raw_connection

HEAD = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
OFFER = b"POST /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 1\r\n\r\n1"
CLOSE = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
MEGABYTE = 1_000_000
FLOODS = {
    "value": HEAD + b"x: " + b"y" * 43 * MEGABYTE,
    "name": HEAD + b"x" * 30 * MEGABYTE,
    "many_headers": HEAD + b"x: y\r\n" * 60_000,
    "address": b"GET /" + b"x" * 30 * MEGABYTE,
    "empty_lines": b"\r\n" * 5 * MEGABYTE,
    "trailer": CHUNKED + b"0\r\nx: " + b"y" * 30 * MEGABYTE,
    "many_trailers": CHUNKED + b"0\r\n" + b"x: y\r\n" * 60_000,
    "chunk_extension": CHUNKED + b"1;x=" + b"y" * 30 * MEGABYTE,
    "small_chunks": CHUNKED + b"1\r\n{\r\n" * MEGABYTE,
    "small_chunks_with_extensions": CHUNKED + b"1;a\r\n{\r\n" * MEGABYTE,
    "requests_without_waiting": b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 500 + CLOSE,
    "refused_requests_without_waiting": b"GET /graphql HTTP/1.1\r\nhost: x\r\n\r\n" * 500 + CLOSE,
    "offers_without_waiting": OFFER * 500 + CLOSE,
    "handshake": b"GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nx: "
    + b"y" * MEGABYTE,
}


@pytest.fixture(scope="module")
def settings() -> dict[str, float]:
    """A short deadline for bodies that never end."""
    return {"limit_body_seconds": 2}


@pytest.mark.parametrize("name", FLOODS)
async def test_flood_of_a_request_head_does_not_delay_another_user(target: Target, name: str) -> None:
    """Three clients send at once and read nothing before the end; the canary checks the other user."""

    async def flood() -> bytes:
        async with raw_connection(*target.place) as connection:
            sending = asyncio.create_task(connection.send(FLOODS[name]))
            received = await connection.rest()
            await sending
            return received

    responses = await asyncio.gather(*(flood() for _ in range(3)))
    assert all(received.startswith(b"HTTP/1.1 ") for received in responses)
