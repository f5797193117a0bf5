"""A webhook receiver in the event loop of the test; a test can make it misbehave."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from standardwebhooks import Webhook

from tests.support.listeners import listening
from tests.support.waiting import TIMEOUT_SECONDS


class Received(NamedTuple):
    """One received request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The id of the message, the same in every attempt."""
        return self.headers["webhook-id"]

    @property
    def payload(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """The data of the event in the body."""
        return self.payload["data"]

    @property
    def place(self) -> tuple[str, int]:
        """The job id and version of the event."""
        return self.data["job_id"], self.data["version"]

    def verified(self, secret: str) -> Any:
        """The verified body. Raises WebhookVerificationError when it was not signed with this secret."""
        return Webhook(secret).verify(self.body, self.headers)


Answer = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def status(code: int, *headers: str, body: bytes = b"") -> Answer:
    """Return a handler that responds with this status."""

    async def answer(_received: Received, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {code} Whatever", f"content-length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return answer


async def hang(_received: Received, _writer: asyncio.StreamWriter) -> None:
    """Never respond."""
    await asyncio.Event().wait()


async def break_off(_received: Received, writer: asyncio.StreamWriter) -> None:
    """Start a response, then close the connection."""
    writer.write(b"HTTP/1.1 20")
    await writer.drain()


class Receiver:
    """A server on loopback. `answer` handles each request; `received` holds all requests in order."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Answer = status(204)
        self.connections = 0
        self.most_at_once = 0
        self.port = 0
        self._more = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The URL of the receiver."""
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def open_connections(self) -> int:
        """The number of connections that are open."""
        return len(self._open)

    async def until(self, true: Callable[[list[Received]], bool]) -> list[Received]:
        """Wait until a condition holds for the received requests, and return all of them."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not true(self.received):
                self._more.clear()
                await self._more.wait()
        return list(self.received)

    async def count(self, number: int) -> list[Received]:
        """Wait for this number of requests."""
        return await self.until(lambda received: len(received) >= number)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection with one request."""
        self.connections += 1
        self._open.add(writer)
        self.most_at_once = max(self.most_at_once, len(self._open))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            received = await _request(reader)
            self.received.append(received)
            self._more.set()
            answering = asyncio.ensure_future(self.answer(received, writer))
            gone = asyncio.ensure_future(reader.read())
            # The sender may close the connection first.
            await asyncio.wait([answering, gone], return_when=asyncio.FIRST_COMPLETED)
            for task in (answering, gone):
                task.cancel()
            await asyncio.gather(answering, gone, return_exceptions=True)
        self._open.discard(writer)
        writer.close()

    def hang_up(self) -> None:
        """Close all open connections."""
        for writer in self._open:
            writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(first.split(" ")[1], headers, body)


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncGenerator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver()
    async with listening(receiver.serve, tls) as receiver.port:
        try:
            yield receiver
        finally:
            receiver.hang_up()
