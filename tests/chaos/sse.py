"""A connection over server-sent events: GraphQL over SSE, distinct connections mode."""

import json
from typing import Any

from tests.chaos.connection import Leave, StreamEnded
from tests.chaos.tcp import TcpConnection
from tests.support.violations import Kind, Violation

Json = dict[str, Any]


class SseConnection:
    """One request whose answer is the stream.

    Reading resumes after a cancellation: `_text` and `_length` hold what was read of the current event and chunk.
    """

    def __init__(self, tcp: TcpConnection) -> None:
        self._tcp = tcp
        self._text = ""
        self._length: int | None = None

    @classmethod
    async def open(cls, url: str, document: str, variables: Json, *, narrow: bool) -> "SseConnection":
        """Send the request and check its status."""
        tcp = await TcpConnection.open(url, narrow=narrow)
        body = json.dumps({"query": document, "variables": variables}).encode()
        headers = {
            "Accept": "text/event-stream",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }
        try:
            status = await tcp.request("POST", headers, body)
            if status != 200:
                raise Violation(Kind.FAILED, f"an event stream was answered by {status}")
        except BaseException:
            tcp.abort()
            raise
        return cls(tcp)

    async def message(self) -> Json:
        """Return the next message; skip the comments that keep the connection alive."""
        while True:
            event = dict(line.split(": ", 1) for line in (await self._event()).split("\n") if line[:1] != ":")
            match event.get("event"):
                case None:
                    continue
                case "next":
                    payload = json.loads(event["data"])
                    if "errors" not in payload:
                        return payload["data"]["jobEvents"]
                case "complete":
                    raise StreamEnded("complete")
                case _:
                    pass
            raise Violation(Kind.FAILED, f"over server-sent events: {event}")

    async def leave(self, how: Leave) -> None:
        """Close or reset the connection; HTTP has no other way to end a stream."""
        match how:
            case Leave.CLOSE:
                await self._tcp.close()
            case Leave.ABORT:
                self.abort()
            case Leave.ABORT_IN_MESSAGE:
                await self._tcp.abort_in_message()

    def abort(self) -> None:
        """Reset the connection."""
        self._tcp.abort()

    async def _event(self) -> str:
        """Read up to an empty line."""
        while "\n\n" not in self._text:
            # RFC 9112, 7.1: a chunk is its length in hexadecimal, and its bytes, each followed by CRLF.
            if self._length is None:
                self._length = int(await self._tcp.line(), 16)
            data = await self._tcp.read(self._length + 2)
            if self._length == 0:
                raise StreamEnded("the answer ended without complete")
            self._length = None
            self._text += data[:-2].decode()
        event, self._text = self._text.split("\n\n", 1)
        return event
