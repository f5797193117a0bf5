"""The messages that one websocket sends."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.types import ExecutionResult

from server.transports.closing import CloseCode, fit_reason
from server.transports.errors import format_error
from server.transports.payloads import encode
from server.transports.results import is_request_error, requested_close, response_map
from server.transports.shared.message import SharedMessage, frame_head, message_prefix
from server.transports.websocket.socket_operations import Operation, write_frames


class Outgoing:
    """Sends one message at a time, so that a slow peer buffers one message per websocket, not one per operation."""

    __slots__ = ("_socket", "_writing", "active", "is_open", "write_frames")

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._writing = asyncio.Lock()
        self.active: dict[str, Operation] = {}
        """The operations for which messages are still sent, by their ids."""
        self.is_open = True
        self.write_frames = write_frames(socket)
        """Writes whole frames at once; None where ASGI has to send all."""

    async def close(self, code: CloseCode, reason: str) -> None:
        """Send a close frame."""
        async with self._writing:
            try:
                await self._socket.close(code, fit_reason(reason))
            except (WebSocketDisconnect, RuntimeError):
                return  # the peer has disconnected before

    async def send_all(self, operation: Operation, results: AsyncGenerator[ExecutionResult | SharedMessage]) -> bool:
        """Send results; return False when one of them ended the operation. Raises CloseConnection."""
        async with aclosing(results):
            async for result in results:
                if not await self.send_result(operation, result):
                    return False
        return True

    async def send_result(self, operation: Operation, result: ExecutionResult | SharedMessage) -> bool:
        """Send a result; return False when it ended the operation. Raises CloseConnection."""
        if isinstance(result, SharedMessage):
            await self._send_json(result.message(message_prefix(operation.id)), operation)
            return True
        if closing := requested_close(result):
            raise closing
        if is_request_error(result):
            await self.send_last(operation, "error", [format_error(error) for error in result.errors or ()])
            return False
        await self.send({"id": operation.id, "type": "next", "payload": response_map(result)}, operation)
        return True

    async def send_last(self, operation: Operation, kind: str, payload: object = None) -> None:
        """Send the last message of an operation."""
        message: dict[str, object] = {"id": operation.id, "type": kind}
        if payload is not None:
            message["payload"] = payload
        await self.send(message, operation, last=True)

    async def send(self, message: Mapping[str, object], about: Operation | None = None, *, last: bool = False) -> None:
        """Send one message.

        Nothing is sent for an operation that the client completes while this waits for the lock. The last message frees
        the id: the client may reuse it as soon as it has read the message.
        """
        await self._send_json(encode(message), about, last=last)

    async def _send_json(self, message: bytes, about: Operation | None, *, last: bool = False) -> None:
        async with self._writing:
            if about is not None and self.active.get(about.id) is not about:
                return
            if last and about is not None:
                del self.active[about.id]
            if self.is_open:
                await self._write(message)

    async def _write(self, message: bytes) -> None:
        if self.write_frames is not None and self.write_frames(frame_head(len(message)) + message):
            return
        try:
            await self._socket.send({"type": "websocket.send", "text": message.decode()})
        except WebSocketDisconnect:
            self.is_open = False  # the connection receives the disconnect too
