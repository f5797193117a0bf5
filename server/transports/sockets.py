"""What lies below HTTP and websocket messages: uvicorn's two protocol classes, taught to let go of a lost peer.

As they come, both close a connection gently, which waits for ever when the peer has stopped reading; and the close
frame that answers a breach of RFC 6455 is overtaken by a reset when more of the breach is still arriving.
"""

import asyncio
import socket
from typing import Any, Final, TypedDict

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from server.transports.limits import TransportLimits

STREAM_EXTENSION: Final = "scenewire.stream"
UNSENT_BYTES: Final = 65_536
LINGER_SECONDS: Final = 2


class UvicornOptions(TypedDict):
    http: type[asyncio.Protocol]
    ws: type[asyncio.Protocol]
    ws_max_size: int
    ws_ping_interval: float
    ws_ping_timeout: float
    ws_per_message_deflate: bool


def uvicorn_options(limits: TransportLimits | None = None) -> UvicornOptions:
    """The arguments of `uvicorn.Config` by which the limits hold below ASGI. Compression is off: it would cost memory
    and time for each socket, and lets a client send little that grows large."""
    chosen = limits or TransportLimits()

    class Socket(WebSocketProtocol):
        stall_seconds = chosen.stall_seconds

    return UvicornOptions(
        http=HttpProtocol,
        ws=Socket,
        ws_max_size=chosen.message_bytes,
        ws_ping_interval=chosen.keep_alive_seconds,
        ws_ping_timeout=chosen.dead_after_seconds - chosen.keep_alive_seconds,
        ws_per_message_deflate=False,
    )


class StreamControl:
    """The TCP connection under a socket or under a response that streams."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def tune(self, dead_after_seconds: float) -> None:
        """Meet back-pressure early, and end when the peer acknowledges nothing any more."""
        _bound_unsent(self._transport)
        _set_option(self._transport, "TCP_USER_TIMEOUT", int(dead_after_seconds * 1000))

    def abort(self) -> None:
        """Drop the connection and whatever was not sent."""
        self._transport.abort()


def stream_control(scope: Scope) -> StreamControl | None:
    """None under a server that is not ours, a test client for instance."""
    return scope.get("extensions", {}).get(STREAM_EXTENSION)


class HttpProtocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._control = StreamControl(transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {STREAM_EXTENSION: self._control}
        self.scope["extensions"] = extensions


class WebSocketProtocol(WebSocketsSansIOProtocol):
    stall_seconds: float
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        _bound_unsent(self.transport)

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
        """Text that is not UTF-8 goes to the application as bytes, for it to refuse without a traceback."""
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.curr_msg_data_type = "bytes"
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """A lingering close: what still arrives is read and discarded, so that the close frame is read before a reset.

        RFC 6455, 7.1.7, and RFC 9112, 9.6, which tells of the same trap.
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


def _bound_unsent(transport: asyncio.Transport) -> None:
    """Or the kernel takes megabytes of stale progress for a peer that does not read."""
    _set_option(transport, "TCP_NOTSENT_LOWAT", UNSENT_BYTES)


def _set_option(transport: asyncio.Transport, name: str, value: int) -> None:
    """Where the platform has it."""
    option: int | None = getattr(socket, name, None)
    sock: socket.socket | None = transport.get_extra_info("socket")
    if option is not None and sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
