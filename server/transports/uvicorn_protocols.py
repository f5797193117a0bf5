"""The options of uvicorn, and the subclass of its HTTP protocol: deadlines for requests, and connections that end
although the peer has stopped reading.

Reasons to override what is not public API: the parent closes a connection gently, which never ends when the peer does
not read; a request head or body has no deadline.

Tried with uvicorn 0.54.0; pyproject.toml excludes 0.55. tests/unit/test_framework_internals.py fails when the signature
of an overridden method or the existence of an attribute used here changes.
"""

import asyncio
from typing import Any, Final, TypedDict, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from server.transports.limits import TransportLimits
from server.transports.stream_control import STREAM_EXTENSION, StreamControl
from server.transports.websocket_protocol import WebSocketProtocol

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
    """Return the arguments of `uvicorn.Config` that enforce the limits below ASGI.

    Compression is off: it costs memory and time per socket, and a small message could expand to a large one.
    `proxy_headers` is off because uvicorn trusts every proxy on this host; the application decides which it trusts.
    """
    chosen = limits or TransportLimits()
    without_head: dict[HttpProtocol, None] = {}

    class Http(HttpProtocol):
        limits = chosen
        half_open = without_head

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


class HttpProtocol(HttpToolsProtocol):
    """HTTP with deadlines for the head and the body of a request, and for a peer that stops reading."""

    limits: TransportLimits
    half_open: dict["HttpProtocol", None]
    """All connections of the server without a complete request head, the oldest first."""
    _deadline: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _upgraded = False
    """Whether the connection now belongs to the protocol of a websocket."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._control = StreamControl(transport)
        self._start_head_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        self._stop_stall_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # uvicorn's keep-alive timer ends with the first byte of the next request; its head may never be completed.
        head_expected = self._deadline is None and self._is_idle() and not self._upgraded
        if head_expected and not self.transport.is_closing():
            self._start_head_deadline()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {STREAM_EXTENSION: self._control}
        self.scope["extensions"] = extensions
        if self._deadline is None:
            self._start_head_deadline()

    def on_headers_complete(self) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(self.limits.body_seconds, self._on_deadline)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_deadline()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._stop_deadline()
        self._upgraded = True
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_stall_timer()
        self._stall_timer = self.loop.call_later(self.limits.download_stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stall_timer()
        super().resume_writing()

    def drop(self) -> None:
        """Abort the connection, to make room for a newer one."""
        self._stop_deadline()
        self.transport.abort()

    def _start_head_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.limits.header_seconds, self._on_deadline)
        if len(self.half_open) >= self.limits.half_open:
            next(iter(self.half_open)).drop()
        self.half_open[self] = None

    def _stop_deadline(self) -> None:
        self.half_open.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self) -> None:
        self._stop_deadline()
        if self.transport.is_closing():
            return
        if self._is_idle() or not self.cycle.response_started:
            self.transport.write(REQUEST_TIMEOUT)
        self.transport.close()

    def _is_idle(self) -> bool:
        """Return whether no request is being answered; uvicorn sets `cycle` with the first complete head."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
