"""A line over server-sent events: GraphQL over SSE, distinct connections mode."""

import json
from typing import Any

from tests.chaos.lines import Ended, Leaving
from tests.chaos.violations import Kind, Violation
from tests.chaos.wire import Wire

Json = dict[str, Any]


class EventStreamLine:
    """One request whose answer goes on."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._text = ""
        # Of a chunk that was begun to be read: whoever stops waiting for it may go on later.
        self._length: int | None = None

    @classmethod
    async def open(cls, url: str, document: str, variables: Json, *, narrow: bool) -> "EventStreamLine":
        """Ask for the stream."""
        wire = await Wire.open(url, narrow=narrow)
        body = json.dumps({"query": document, "variables": variables}).encode()
        headers = {
            "Accept": "text/event-stream",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }
        try:
            status = await wire.request("POST", headers, body)
            if status != 200:
                raise Violation(Kind.FAILED, f"an event stream was answered by {status}")
        except BaseException:
            wire.cut()
            raise
        return cls(wire)

    async def message(self) -> Json:
        """The next message; comments keep the connection alive and say nothing."""
        while True:
            event = dict(line.split(": ", 1) for line in (await self._block()).split("\n") if line[:1] != ":")
            match event.get("event"):
                case None:
                    continue
                case "next":
                    payload = json.loads(event["data"])
                    if "errors" not in payload:
                        return payload["data"]["jobEvents"]
                case "complete":
                    raise Ended("complete")
                case _:
                    pass
            raise Violation(Kind.FAILED, f"over server-sent events: {event}")

    async def leave(self, how: Leaving) -> None:
        """HTTP knows no goodbye but to close."""
        match how:
            case Leaving.POLITELY:
                await self._wire.close()
            case Leaving.ABRUPTLY:
                self.cut()
            case Leaving.IN_MID_MESSAGE:
                await self._wire.cut_in_mid_message()

    def cut(self) -> None:
        """Be gone at once."""
        self._wire.cut()

    async def _block(self) -> str:
        """What ends in an empty line."""
        while "\n\n" not in self._text:
            # RFC 9112, 7.1: a chunk is its length in hexadecimal, and its bytes, each followed by CRLF.
            if self._length is None:
                self._length = int(await self._wire.line(), 16)
            data = await self._wire.read(self._length + 2)
            if self._length == 0:
                raise Ended("the answer ended without complete")
            self._length = None
            self._text += data[:-2].decode()
        block, self._text = self._text.split("\n\n", 1)
        return block
