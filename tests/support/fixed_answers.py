"""A server that answers each path with fixed bytes, for responses that no fake of an API would send."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from tests.support.listeners import listening

Answers = Mapping[str, bytes]


def answer(body: bytes, *, status: int = 200, content_type: str = "application/json", headers: str = "") -> bytes:
    """Return a whole HTTP response; `headers` are lines that end in CRLF."""
    length = f"content-length: {len(body)}\r\nconnection: close\r\n"
    return f"HTTP/1.1 {status} -\r\ncontent-type: {content_type}\r\n{length}{headers}\r\n".encode() + body


@asynccontextmanager
async def answering(answers: Answers) -> AsyncGenerator[str]:
    """Answer requests by "METHOD /path", without the query; yield the origin of the server."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        lengths = [int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")]
        await reader.readexactly(sum(lengths))
        method, target, _ = lines[0].split(" ")
        writer.write(answers[f"{method} {target.partition('?')[0]}"])
        await writer.drain()
        writer.close()

    async with listening(serve) as port:
        yield f"http://127.0.0.1:{port}"
