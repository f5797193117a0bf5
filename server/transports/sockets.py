"""What lies below HTTP and websocket messages: uvicorn's two protocol classes, taught to let go of a lost peer.

As they come, both close a connection gently, which waits for ever when the peer has stopped reading; and the close
frame that answers a breach of RFC 6455 is overtaken by a reset when more of the breach is still arriving.
"""

import asyncio
import socket
from typing import Any, Final, TypedDict, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from server.transports.limits import TransportLimits

STREAM_EXTENSION: Final = "scenewire.stream"
UNSENT_BYTES: Final = 65_536
LINGER_SECONDS: Final = 2


REQUEST_TIMEOUT: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class UvicornOptions(TypedDict):
    http: type[asyncio.Protocol]
    ws: type[asyncio.Protocol]
    ws_max_size: int
    ws_ping_interval: float
    ws_ping_timeout: float
    ws_per_message_deflate: bool
    proxy_headers: bool


def uvicorn_options(limits: TransportLimits | None = None) -> UvicornOptions:
    """The arguments of `uvicorn.Config` by which the limits hold below ASGI. Compression is off: it would cost memory
    and time for each socket, and lets a client send little that grows large. uvicorn would believe every proxy on this
    machine; whom to believe is the application's to say."""
    chosen = limits or TransportLimits()
    arriving: dict[HttpProtocol, None] = {}

    class Http(HttpProtocol):
        limits = chosen
        half_open = arriving

    class Socket(WebSocketProtocol):
        stall_seconds = chosen.stall_seconds

    return UvicornOptions(
        http=Http,
        ws=Socket,
        ws_max_size=chosen.message_bytes,
        ws_ping_interval=chosen.keep_alive_seconds,
        ws_ping_timeout=chosen.dead_after_seconds - chosen.keep_alive_seconds,
        ws_per_message_deflate=False,
        proxy_headers=False,
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
    """A request arrives in time, head and body each, or not at all."""

    limits: TransportLimits
    half_open: dict["HttpProtocol", None]
    """The connections that owe the head of a request, of all of the server, in the order of their waiting."""
    _deadline: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _handed_over = False
    """To the protocol of the websocket that began here."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._control = StreamControl(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        self._stop_stall_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # uvicorn's own timer ended with the first byte; a head may never follow.
        owes = self._deadline is None and self._is_idle() and not self._handed_over
        if owes and not self.transport.is_closing():
            self._await_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {STREAM_EXTENSION: self._control}
        self.scope["extensions"] = extensions
        if self._deadline is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._arrived()
        self._deadline = self.loop.call_later(self.limits.body_seconds, self._give_up)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._arrived()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._arrived()
        self._handed_over = True
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_stall_timer()
        self._stall_timer = self.loop.call_later(self.limits.download_stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stall_timer()
        super().resume_writing()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(self.limits.header_seconds, self._give_up)
        if len(self.half_open) >= self.limits.half_open:
            next(iter(self.half_open)).drop()
        self.half_open[self] = None

    def drop(self) -> None:
        """Others need the place."""
        self._arrived()
        self.transport.abort()

    def _arrived(self) -> None:
        self.half_open.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._arrived()
        if self.transport.is_closing():
            return
        if self._is_idle() or not self.cycle.response_started:
            self.transport.write(REQUEST_TIMEOUT)
        self.transport.close()

    def _is_idle(self) -> bool:
        """Whether no request is being answered; uvicorn knows of none before the first complete head."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


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
