"""The subclass of uvicorn's websocket protocol: connections that end although the peer has stopped reading.

Reasons to override what is not public API: the parent closes a connection gently, which never ends when the peer does
not read; and more input after a breach of RFC 6455 resets the connection before the peer has read the close frame that
answers the breach.

Tried with uvicorn 0.54.0; pyproject.toml excludes 0.55. tests/unit/test_framework_internals.py fails when the signature
of an overridden method or the existence of an attribute used here changes.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from server.transports.stream_control import STREAM_EXTENSION, StreamControl

LINGER_SECONDS: Final = 2
"""How long a closed connection may take to deliver its last bytes."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A websocket that aborts the connection of a peer that stops reading, also while it closes."""

    stall_seconds: float
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        StreamControl(self.transport).limit_unsent()

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = {**self.scope.get("extensions", {})}
        extensions[STREAM_EXTENSION] = StreamControl(self.transport)
        self.scope["extensions"] = extensions
        await super().run_asgi()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_stall_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_stall_timer()
        self._stall_timer = self.loop.call_later(self.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stall_timer()
        super().resume_writing()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_later()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_later()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.close" and self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def send_receive_event_to_app(self) -> None:
        """Pass text that is not UTF-8 to the application as bytes, which it rejects; uvicorn would log a traceback."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.curr_msg_data_type = "bytes"
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """Close and linger: discard further input for LINGER_SECONDS, so that the peer reads the close frame before a
        reset (RFC 6455, 7.1.7; RFC 9112, 9.6 describes the same race).
        """
        closing = self.conn.close_sent
        if closing is None or self.close_timer is not None:
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": closing.code, "reason": closing.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.close_sent = True
        self.close_timer = self._abort_later()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def _abort_later(self) -> asyncio.TimerHandle:
        return self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
