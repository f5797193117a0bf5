"""A line over websocket: graphql-transport-ws over RFC 6455 frames."""

import json
from enum import IntEnum
from typing import Any

from tests.chaos.lines import Ended, Leaving
from tests.chaos.violations import Kind, Violation
from tests.chaos.wire import Wire

Json = dict[str, Any]


class Opcode(IntEnum):
    """RFC 6455, 5.2."""

    TEXT = 1
    CLOSE = 8
    PING = 9
    PONG = 10


class WebSocketLine:
    """One socket with one subscription."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        # Of a frame that was begun to be read: whoever stops waiting for it may go on later.
        self._head = b""
        self._length = b""

    @classmethod
    async def open(cls, url: str, document: str, variables: Json, *, narrow: bool) -> "WebSocketLine":
        """Shake hands, and subscribe."""
        wire = await Wire.open(url, narrow=narrow)
        line = cls(wire)
        try:
            status = await wire.request(
                "GET",
                {
                    "Connection": "Upgrade",
                    "Upgrade": "websocket",
                    "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                    "Sec-WebSocket-Protocol": "graphql-transport-ws",
                },
            )
            if status != 101:
                raise Violation(Kind.FAILED, f"a websocket was answered by {status}")
            await line._say({"type": "connection_init"})
            if await line._hear() != {"type": "connection_ack"}:
                raise Violation(Kind.FAILED, "no connection_ack")
            payload = {"query": document, "variables": variables}
            await line._say({"type": "subscribe", "id": "1", "payload": payload})
        except BaseException:
            wire.cut()
            raise
        return line

    async def message(self) -> Json:
        """The next message."""
        said = await self._hear()
        match said["type"]:
            case "next" if "errors" not in said["payload"]:
                return said["payload"]["data"]["jobEvents"]
            case "complete":
                raise Ended("complete")
            case _:
                raise Violation(Kind.FAILED, f"over websocket: {said}")

    async def leave(self, how: Leaving) -> None:
        """After a polite leave nothing more may come for the subscription, but what was under way."""
        match how:
            case Leaving.POLITELY:
                await self._say({"type": "complete", "id": "1"})
                await self._say({"type": "ping", "payload": {"after": "complete"}})
                while (await self._hear())["type"] != "pong":
                    pass
                await self._send(Opcode.CLOSE, (1000).to_bytes(2))
                await self._wire.close()
            case Leaving.ABRUPTLY:
                self.cut()
            case Leaving.IN_MID_MESSAGE:
                # The head of a frame that announces more than ever follows.
                await self._wire.send(bytes((0x80 | Opcode.TEXT, 0x80 | 100, 0, 0, 0, 0)) + b'{"type":')
                await self._wire.cut_in_mid_message()

    def cut(self) -> None:
        """Be gone at once."""
        self._wire.cut()

    async def _say(self, message: Json) -> None:
        await self._send(Opcode.TEXT, json.dumps(message).encode())

    async def _hear(self) -> Json:
        while True:
            opcode, data = await self._frame()
            match opcode:
                case Opcode.TEXT:
                    return json.loads(data)
                case Opcode.PING:
                    await self._send(Opcode.PONG, data)
                case Opcode.CLOSE:
                    raise Ended(f"closed with {int.from_bytes(data[:2])} {data[2:].decode()}")
                case _:
                    raise Violation(Kind.FAILED, f"a frame with the opcode {opcode}")

    async def _frame(self) -> tuple[int, bytes]:
        """RFC 6455, 5.2; the server sends no fragments, and masks nothing."""
        self._head = self._head or await self._wire.read(2)
        opcode, length = self._head[0] & 15, self._head[1] & 127
        if length > 125:
            self._length = self._length or await self._wire.read(2 if length == 126 else 8)
            length = int.from_bytes(self._length)
        data = await self._wire.read(length)
        self._head = self._length = b""
        return opcode, data

    async def _send(self, opcode: int, data: bytes) -> None:
        """Clients mask what they send; a mask of zeroes leaves it as it is."""
        size = len(data)
        length = bytes((0x80 | size,)) if size < 126 else bytes((0x80 | 126,)) + size.to_bytes(2)
        await self._wire.send(bytes((0x80 | opcode,)) + length + bytes(4) + data)
