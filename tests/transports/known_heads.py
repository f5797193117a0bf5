"""Requests with a head that the server knows after the second of them."""

import json

from tests.support.raw_http import RawConnection


def post(query: str, extra: bytes = b"") -> bytes:
    """A request; all of them have the same head, unless there is `extra` in it."""
    body = json.dumps({"query": query}).encode().ljust(200)
    head = b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    return head + extra + b"content-length: %d\r\n\r\n" % len(body) + body


async def ask(connection: RawConnection, query: str, extra: bytes = b""):
    """Send a request and return the response."""
    await connection.send(post(query, extra))
    return await connection.response()
