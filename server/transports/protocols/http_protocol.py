"""The subclass of uvicorn's HTTP protocol: limits and deadlines for requests, and connections that end although the
peer has stopped reading.

Reasons to override what is not public API: the parent reads heads of any size, starts every request that a client sends
without waiting for responses, drops the body of a request that offers another protocol, parses the handshake of a
websocket twice, and closes a connection gently, which never ends when the peer does not read; and a request head or
body has no deadline.

Tried with uvicorn 0.54.0; pyproject.toml excludes 0.55. tests/unit/test_framework_internals.py fails when the signature
of an overridden method or the existence of an attribute used here changes.
"""

import asyncio
import logging
import time
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from server.transports.connections.stream_control import STREAM_EXTENSION, StreamControl
from server.transports.errors import TransportCode
from server.transports.limits import TransportLimits
from server.transports.protocols.request_deadline import RequestDeadline
from server.transports.protocols.request_head import (
    RejectedRequest,
    RequestSize,
    body_framing,
    check_head,
    is_handshake,
)
from server.transports.protocols.upgrade import handshake_request, open_websocket
from server.transports.protocols.websocket_protocol import LINGER_SECONDS
from server.transports.responses.one_write import ONE_WRITE_EXTENSION, OneWrite

log = logging.getLogger(__name__)

PORTION_BYTES: Final = 8_192
"""The input that is parsed at once. The parser copies an incomplete header once per portion, so its time grows with the
square of the header's size; and it cannot be stopped between the requests of one portion."""

READ_SECONDS: Final = 0.002
"""How long the input of one connection is parsed before the others get their turn."""


class HttpProtocol(HttpToolsProtocol):
    """HTTP with limits for head and trailers, and deadlines for head, body and a peer that stops reading."""

    limits: TransportLimits
    half_open: dict[RequestDeadline, None]
    """Shared by all connections of the server."""
    _deadline: RequestDeadline
    _stall_timer: asyncio.TimerHandle | None = None
    _linger_timer: asyncio.TimerHandle | None = None
    _continuation: asyncio.Handle | None = None
    _spent_seconds = 0.0
    """The time for which this connection was parsed since the others had their turn."""
    _rejection: RejectedRequest | None = None
    """The reason why nothing more is read from the connection; None while it is read."""
    _size: RequestSize
    _phase = 0
    """The number of heads and bodies that have begun or ended."""
    _in_head = False
    _in_body = False
    _is_handshake = False
    _is_resuming = False
    """Whether a new parser reads a copy of the head, which is not passed on; see `_end_of_head`."""
    _upgraded = False
    """Whether the connection now belongs to the protocol of a websocket."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._unread = bytearray()
        self._size = RequestSize(self.limits)
        self._control = StreamControl(transport)
        self._deadline = RequestDeadline(self.limits, self.half_open, self._on_timeout, transport.abort, self.flow)
        self._deadline.expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.end()
        self._stop_stall_timer()
        for handle in (self._linger_timer, self._continuation):
            if handle is not None:
                handle.cancel()
        self._unread.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._rejection is not None:
            return
        self._unread += data
        self._read()
        # uvicorn's keep-alive timer ends with the first byte of the next request; its head may never be completed.
        if not self._is_done() and not self._deadline.runs and self._is_idle():
            self._deadline.expect_head()

    def _read(self) -> None:
        """Parse what was received, until a request has to wait for the response to an earlier one, and for at most
        READ_SECONDS, so that other connections get their turn."""
        if self._continuation is not None:
            self.flow.pause_reading()
            return
        started_at = time.monotonic() - self._spent_seconds
        while self._unread and not (self.pipeline or self._is_done()) and self._spent_seconds < READ_SECONDS:
            portion = bytes(self._unread[:PORTION_BYTES])
            del self._unread[:PORTION_BYTES]
            self._parse(portion)
            self._spent_seconds = time.monotonic() - started_at
        if self._is_done():
            return
        if self._spent_seconds >= READ_SECONDS:
            self.flow.pause_reading()
            self._continuation = self.loop.call_soon(self._continue)
        if self.pipeline:
            self.flow.pause_reading()
        elif not self._deadline.runs and self._in_body:
            self._deadline.expect_body(is_upload=self._size.is_upload)
        elif not self._deadline.runs and self._in_head:
            self._deadline.expect_head()

    def _continue(self) -> None:
        """Continue to parse after the other connections had their turn."""
        self._continuation = None
        self._spent_seconds = 0.0
        self._read()
        has_full_body = not self._is_idle() and len(self.cycle.body) > HIGH_WATER_LIMIT
        if not (self._continuation or self.pipeline or has_full_body or self._is_done()):
            self.flow.resume_reading()

    def _parse(self, portion: bytes) -> None:
        phase = self._phase
        try:
            self.parser.feed_data(portion)
            if self._phase == phase:
                self._size.add_portion(len(portion))
        except httptools.HttpParserUpgrade as upgrade:
            self._end_of_head(portion[upgrade.args[0] :])
        except RejectedRequest as rejected:
            self._reject(rejected)
        except httptools.HttpParserError as error:
            cause, malformed = error.__context__, RejectedRequest.malformed("The request is not valid HTTP/1.1")
            self._reject(cause if isinstance(cause, RejectedRequest) else malformed)

    def _end_of_head(self, rest: bytes) -> None:
        """Handle the end of a head that offers another protocol, where the parser stops and would drop the body."""
        if self._is_handshake:
            try:
                handshake = handshake_request(self.url, self.headers)
            except RejectedRequest as rejected:
                self._reject(rejected)
            else:
                self._upgraded = True
                self._deadline.stop()
                # What refers back to this object would leave it to the garbage collector, with all that it has.
                del self.parser, self._deadline
                open_websocket(self, handshake)
            return
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._is_resuming = True
        self.parser.feed_data(body_framing(self.headers, keep_alive=self.cycle.keep_alive))
        self._is_resuming = False
        self._unread[:0] = rest

    def on_message_begin(self) -> None:
        if self._is_resuming:
            return
        self._begin_phase()
        self._size = RequestSize(self.limits)
        self._in_head = True
        self._is_handshake = False
        super().on_message_begin()
        self._extensions: dict[str, Any] = {STREAM_EXTENSION: self._control}
        self.scope["extensions"] = self._extensions

    def on_url(self, url: bytes) -> None:
        if not self._is_resuming:
            self._size.add_target(url)
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. A trailer is counted and dropped: it must not change the request (RFC 9110, 6.5.1)."""
        if self._is_resuming:
            return
        if self._in_body:
            self._size.add_fields([(name, value)])
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_resuming:
            return
        self._begin_phase()
        method, version = self.parser.get_method(), self.parser.get_http_version()
        self._size.add_fields(self.headers)
        check_head(method, version, self.headers)
        self._is_handshake = self.parser.should_upgrade() and is_handshake(method, version, self.headers)
        self._deadline.stop()
        super().on_headers_complete()
        if not self._is_handshake:
            # The head of a handshake is left to the protocol of websockets: the scope has no path.
            self._size.is_upload = self.limits.upload_path in self.scope["path"]
            self._extensions[ONE_WRITE_EXTENSION] = OneWrite(self.cycle)
        self._in_head, self._in_body = False, True

    def on_chunk_header(self) -> None:
        self._size.add_chunk()

    def on_body(self, body: bytes) -> None:
        self._size.add_content(len(body))
        self._deadline.add_content()
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade() and not self._is_handshake:
            return  # the body follows
        self._begin_phase()
        self._in_body = False
        self._deadline.stop()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Start the next request that has arrived, or reject it."""
        next_starts = bool(self.pipeline)
        super().on_response_complete()
        if self._rejection is None:
            self._read()
        elif not next_starts:
            self._finish(self._rejection.response())

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stop_stall_timer()
        self._stall_timer = self.loop.call_later(self.limits.download_stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stall_timer()
        super().resume_writing()

    def _should_upgrade(self) -> bool:
        return self._is_handshake

    def _begin_phase(self) -> None:
        self._phase += 1
        self._size.begin_phase()

    def _reject(self, rejection: RejectedRequest) -> None:
        """Answer after the responses to earlier requests, and discard what else arrives."""
        self._rejection = rejection
        self._deadline.stop()
        self._unread.clear()
        extra = {"action": "http.rejected", "status": rejection.status.value, "client": (self.client or ("-",))[0]}
        log.info("Rejected a request: %s", rejection.message, extra=extra)
        if not self._in_body:
            if self._is_idle():
                self._finish(rejection.response())
        elif self.pipeline:
            self.pipeline.popleft()  # the rejected request itself; on_response_complete sends its response
        elif self.cycle.response_complete:
            self._finish(b"")
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._finish(rejection.response())

    def _finish(self, last: bytes) -> None:
        """Send the last bytes, then discard input for LINGER_SECONDS: a reset would destroy the response before the
        peer has read it (RFC 9112, section 9.6)."""
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self.transport.write(last)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._linger_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _on_timeout(self) -> None:
        if not self.transport.is_closing():
            status, code = HTTPStatus.REQUEST_TIMEOUT, TransportCode.REQUEST_TIMEOUT
            self._reject(RejectedRequest(status, code, "The request took too long to arrive"))

    def _is_done(self) -> bool:
        """Return whether this protocol reads nothing more."""
        return self._rejection is not None or self._upgraded or self.transport.is_closing()

    def _is_idle(self) -> bool:
        """Return whether no request is being answered; uvicorn sets `cycle` with the first complete head."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is None or cycle.response_complete

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
