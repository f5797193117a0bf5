"""Control of the TCP connection under a websocket or an event stream, from above ASGI."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from typing import Final

from starlette.types import Scope

STREAM_EXTENSION: Final = "scenewire.stream"
"""The key of the StreamControl in the `extensions` of an ASGI scope."""

UNSENT_BYTES: Final = 65_536

# Offsets in `struct tcp_info` of Linux (linux/tcp.h), each of a 32-bit number.
_UNACKNOWLEDGED_OFFSET: Final = 24
_LAST_ACK_MS_OFFSET: Final = 56


class StreamControl:
    """The TCP connection under a websocket or under a streamed response."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.on_probe: Callable[[], object] | None = None
        """Called by `probe`: sends a few bytes that the peer has to acknowledge."""

    def limit_unsent(self) -> None:
        """Limit what the kernel buffers to UNSENT_BYTES: else it takes megabytes of stale progress for a slow peer."""
        self._set_option("TCP_NOTSENT_LOWAT", UNSENT_BYTES)

    def tune(self, dead_after_seconds: float) -> None:
        """Apply back-pressure early, and drop a peer that acknowledges no data for `dead_after_seconds`."""
        self.limit_unsent()
        self._set_option("TCP_USER_TIMEOUT", int(dead_after_seconds * 1000))

    def probe(self) -> None:
        """Send something that a live peer answers, after which `last_response_at` is later than now."""
        if self.on_probe is not None:
            self.on_probe()

    def last_response_at(self) -> float:
        """Return the monotonic time of the peer's last sign of life; now where the platform does not report it.

        Here that is the last TCP acknowledgement, and now if there is nothing to acknowledge.
        """
        option: int | None = getattr(socket, "TCP_INFO", None)
        sock = self._tcp_socket()
        if option is None or sock is None or self._transport.is_closing():
            return time.monotonic()
        info = sock.getsockopt(socket.IPPROTO_TCP, option, _LAST_ACK_MS_OFFSET + 4)
        (unacknowledged,) = struct.unpack_from("=I", info, _UNACKNOWLEDGED_OFFSET)
        (last_ack_ms,) = struct.unpack_from("=I", info, _LAST_ACK_MS_OFFSET)
        return time.monotonic() - (last_ack_ms / 1000 if unacknowledged else 0)

    def frame_writer(self) -> Callable[[bytes], bool] | None:
        """Return a function that writes whole websocket frames at once; None where that is not possible.

        It returns False, and writes nothing, while the buffer of the socket is full and when the websocket closes.
        """
        return None

    def abort(self) -> None:
        """Drop the connection and all unsent data."""
        self._transport.abort()

    def _set_option(self, name: str, value: int) -> None:
        """Set a TCP option; do nothing where the platform lacks it or the transport is not TCP."""
        option: int | None = getattr(socket, name, None)
        sock = self._tcp_socket()
        if option is not None and sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def _tcp_socket(self) -> socket.socket | None:
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        return sock if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6) else None


def stream_control(scope: Scope) -> StreamControl | None:
    """Return the control of the scope's connection; None under another server, such as a test client."""
    return scope.get("extensions", {}).get(STREAM_EXTENSION)
