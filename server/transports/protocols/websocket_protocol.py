"""The subclass of uvicorn's websocket protocol: connections that end although the peer has stopped reading, and limits
on frames.

Reasons to override what is not public API: the parent closes a connection gently, which never ends when the peer does
not read; more input after a breach of RFC 6455 resets the connection before the peer has read the close frame that
answers the breach; frames are not limited, and all frames of one TCP segment are parsed before anything else runs; and
a missing pong closes with 1011, after which clients do not reconnect.

Tried with uvicorn 0.54.0; pyproject.toml excludes 0.55. tests/unit/test_framework_internals.py fails when the signature
of an overridden method or the existence of an attribute used here changes.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, cast

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import Protocol, State

from server.transports.closing import CloseConnection, try_again_later
from server.transports.connections.stream_control import STREAM_EXTENSION, StreamControl
from server.transports.light import LightEvent, LightQueue
from server.transports.limits import TransportLimits
from server.transports.protocols.read_turns import ReadTurns
from server.transports.protocols.whole_messages import is_between_messages, whole_text
from server.transports.websocket.frame_limiter import FrameLimiter

LINGER_SECONDS: Final = 2
"""How long a closed connection may take to deliver its last bytes."""

PIECE_BYTES: Final = 1_024
"""The input that is parsed before others get their turn: at most 170 frames, which take less than a millisecond."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A websocket with limits on its frames, and for a peer that stops reading, also while the websocket closes."""

    # Attributes of uvicorn. Above 30 the dictionary of an object is no longer shared with others, which takes 1.3 KB.
    # Those that are read for each message to many sockets are among them.
    __slots__ = (
        "_is_full",
        "app",
        "app_state",
        "asgi_version",
        "client",
        "close_sent",
        "config",
        "default_headers",
        "logger",
        "ping_interval",
        "ping_timeout",
        "root_path",
        "scheme",
        "server",
        "transport",
    )
    limits: TransportLimits
    turns: ReadTurns
    """Shared by all websockets of the server."""
    writes_frames = True
    """Whether shared streams write frames to the transport; otherwise they send by ASGI."""
    _stall_timer: asyncio.TimerHandle | None = None
    _failed = False
    """Whether the peer exceeded a limit, so that further input is discarded."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.queue = cast("asyncio.Queue[ASGIReceiveEvent]", LightQueue[ASGIReceiveEvent]())
        self.writable = cast("asyncio.Event", LightEvent())
        self.writable.set()
        self._is_full = False  # the buffer of the transport: what `writable` says, without a call for each of many
        self._frames = FrameLimiter(self.limits)
        self._control = SocketControl(self)
        self._control.limit_unsent()
        self._input = bytearray()

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = {**self.scope.get("extensions", {})}
        extensions[STREAM_EXTENSION] = self._control
        self.scope["extensions"] = extensions
        await super().run_asgi()

    def begin(self, handshake: Request) -> None:
        """Answer the handshake. What is received after it are frames."""
        self.conn.parser = Protocol.parse(self.conn)  # in place of one that begins with a handshake
        next(self.conn.parser)
        self.handle_connect(handshake)

    def data_received(self, data: bytes) -> None:
        self._control.on_input()
        if self._input:
            self._input += data
            self.transport.pause_reading()
        elif not self._failed:
            self._input += data
            self.turns.add(self._read_piece)

    async def receive(self) -> ASGIReceiveEvent:
        message = await super().receive()
        if self._input and not self.transport.is_closing():
            self.transport.pause_reading()
        return message

    def handle_text(self, event: Frame) -> None:
        self._frames.count_first()
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        self._frames.count_first()
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        self._frames.count_continuation()
        super().handle_cont(event)

    def handle_ping(self) -> None:
        self._frames.count_control()
        super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self.pending_ping_payload is None or bytes(event.data) != self.pending_ping_payload:
            self._frames.count_control()
        super().handle_pong(event)

    def probe(self) -> None:
        """Send a ping now, unless one is waiting for its pong."""
        if self.ping_timer is not None:
            self.ping_timer.cancel()
            self.send_keepalive_ping()

    def write_frames(self, frames: bytes) -> bool:
        """Write whole unfragmented frames in place of `send`, unless the buffer is full or the websocket closes.

        Without an extension such as compression, a frame depends on its text alone (RFC 6455, 5.2), and the parser
        keeps no state of what was sent, so that a frame can be made once for many websockets.
        """
        transport = self.transport
        if self._is_full or self.close_sent or transport.is_closing():
            return False
        transport.write(frames)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._input.clear()  # input that was not parsed yet is lost with the connection
        self._stop_stall_timer()
        super().connection_lost(exc)
        self._control.forget_protocol()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._is_full = True
        self._stop_stall_timer()
        self._stall_timer = self.loop.call_later(self.limits.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stall_timer()
        self._is_full = False
        super().resume_writing()

    def keepalive_timeout(self) -> None:
        self.pong_timer = None
        self._fail(try_again_later("No pong"))

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_later()

    async def send(self, message: Any) -> None:
        await self.writable.wait()
        if self.close_sent:
            # After a breach of the protocol or a missed pong. The parent takes it for an error of the application.
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.accept":
            # The headers of the handshake are in the scope; their other copies would stay as long as the socket.
            del self.request, self.response
        elif message["type"] == "websocket.close" and self.close_timer is not None:
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
        self.close_sent = True
        self.close_timer = self._abort_later()
        self.transport.write(b"".join(self.conn.data_to_send()))
        try:
            if self.transport.can_write_eof():
                self.transport.write_eof()
        except OSError:  # the peer has reset the connection meanwhile
            self.transport.abort()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def _read_piece(self) -> bool:
        """Parse a message or a piece of the input; return whether there is more."""
        try:
            if not self._read_whole_text():
                piece = bytes(self._input[:PIECE_BYTES])
                del self._input[:PIECE_BYTES]
                if piece:
                    super().data_received(piece)
        except CloseConnection as closing:
            self._fail(closing)
        except BaseException:
            self.transport.abort()
            raise
        if not self._input and not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()
        return bool(self._input)

    def _read_whole_text(self) -> bool:
        """Read a text message if the input begins with a whole one, with the effects that the parent has."""
        if not is_between_messages(self.conn):
            return False
        message = whole_text(self._input, self.limits.message_bytes)
        if message is None:
            return False
        del self._input[: message.end]
        self._frames.count_first()
        self.queue.put_nowait({"type": "websocket.receive", "text": message.text})
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        return True

    def _fail(self, closing: CloseConnection) -> None:
        """Discard further input, and close unless that has begun; abort if the handshake is not complete."""
        self._failed = True
        self._input.clear()
        if self.conn.state is State.OPEN:
            self.conn.fail(closing.code, closing.reason)
            self.handle_parser_exception()
        elif self.close_timer is None:
            self.transport.abort()
        else:
            self.close_timer.cancel()
            self.close_timer = self._abort_later()

    def _abort_later(self) -> asyncio.TimerHandle:
        return self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


class SocketControl(StreamControl):
    """The TCP connection under a websocket, whose peer answers pings."""

    def __init__(self, protocol: WebSocketProtocol) -> None:
        super().__init__(protocol.transport)
        self._protocol: WebSocketProtocol | None = protocol
        self._last_input_at = time.monotonic()

    def forget_protocol(self) -> None:
        """Refer no longer to what refers to this, after the connection is lost."""
        self._protocol = None

    def on_input(self) -> None:
        """Note that the peer is alive."""
        self._last_input_at = time.monotonic()

    def probe(self) -> None:
        if self._protocol is not None:
            self._protocol.probe()

    def last_response_at(self) -> float:
        return self._last_input_at

    def frame_writer(self) -> Callable[[bytes], bool] | None:
        protocol = self._protocol
        if protocol is None or not protocol.writes_frames or protocol.conn.extensions:
            return None
        return protocol.write_frames


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
