"""A connection over websocket: graphql-transport-ws on RFC 6455 frames."""

import json
from enum import IntEnum
from typing import Any

from tests.chaos.connection import Leave, StreamEnded
from tests.chaos.tcp import TcpConnection
from tests.support.violations import Kind, Violation

Json = dict[str, Any]


class Opcode(IntEnum):
    """RFC 6455, 5.2."""

    TEXT = 1
    CLOSE = 8
    PING = 9
    PONG = 10


class WebSocketConnection:
    """One socket with one subscription.

    Reading resumes after a cancellation: `_head` and `_length` hold what was read of the current frame.
    """

    def __init__(self, tcp: TcpConnection) -> None:
        self._tcp = tcp
        self._head = b""
        self._length = b""

    @classmethod
    async def open(cls, url: str, document: str, variables: Json, *, narrow: bool) -> "WebSocketConnection":
        """Shake hands, and subscribe."""
        tcp = await TcpConnection.open(url, narrow=narrow)
        connection = cls(tcp)
        try:
            status = await tcp.request(
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
            await connection._send({"type": "connection_init"})
            if await connection._receive() != {"type": "connection_ack"}:
                raise Violation(Kind.FAILED, "no connection_ack")
            payload = {"query": document, "variables": variables}
            await connection._send({"type": "subscribe", "id": "1", "payload": payload})
        except BaseException:
            tcp.abort()
            raise
        return connection

    async def message(self) -> Json:
        """Return the next message."""
        received = await self._receive()
        match received["type"]:
            case "next" if "errors" not in received["payload"]:
                return received["payload"]["data"]["jobEvents"]
            case "complete":
                raise StreamEnded("complete")
            case _:
                raise Violation(Kind.FAILED, f"over websocket: {received}")

    async def leave(self, how: Leave) -> None:
        """Disconnect; after `complete` only messages that were sent before it may come."""
        match how:
            case Leave.CLOSE:
                await self._send({"type": "complete", "id": "1"})
                await self._send({"type": "ping", "payload": {"after": "complete"}})
                while (await self._receive())["type"] != "pong":
                    pass
                await self._send_frame(Opcode.CLOSE, (1000).to_bytes(2))
                await self._tcp.close()
            case Leave.ABORT:
                self.abort()
            case Leave.ABORT_IN_MESSAGE:
                # The head of a frame of 100 bytes, and fewer bytes.
                await self._tcp.send(bytes((0x80 | Opcode.TEXT, 0x80 | 100, 0, 0, 0, 0)) + b'{"type":')
                await self._tcp.abort_in_message()

    def abort(self) -> None:
        """Reset the connection."""
        self._tcp.abort()

    async def _send(self, message: Json) -> None:
        await self._send_frame(Opcode.TEXT, json.dumps(message).encode())

    async def _receive(self) -> Json:
        while True:
            opcode, data = await self._frame()
            match opcode:
                case Opcode.TEXT:
                    return json.loads(data)
                case Opcode.PING:
                    await self._send_frame(Opcode.PONG, data)
                case Opcode.CLOSE:
                    raise StreamEnded(f"closed with {int.from_bytes(data[:2])} {data[2:].decode()}")
                case _:
                    raise Violation(Kind.FAILED, f"a frame with the opcode {opcode}")

    async def _frame(self) -> tuple[int, bytes]:
        """Read a frame, RFC 6455, 5.2; the server sends no fragments and no masks."""
        self._head = self._head or await self._tcp.read(2)
        opcode, length = self._head[0] & 15, self._head[1] & 127
        if length > 125:
            self._length = self._length or await self._tcp.read(2 if length == 126 else 8)
            length = int.from_bytes(self._length)
        data = await self._tcp.read(length)
        self._head = self._length = b""
        return opcode, data

    async def _send_frame(self, opcode: int, data: bytes) -> None:
        """Send a frame, masked as clients must, with a mask of zeroes, which changes nothing."""
        size = len(data)
        length = bytes((0x80 | size,)) if size < 126 else bytes((0x80 | 126,)) + size.to_bytes(2)
        await self._tcp.send(bytes((0x80 | opcode,)) + length + bytes(4) + data)
