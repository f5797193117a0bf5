"""Control of the TCP connection under a websocket or an event stream, from above ASGI."""

import asyncio
import socket
from typing import Final

from starlette.types import Scope

STREAM_EXTENSION: Final = "scenewire.stream"
"""The key of the StreamControl in the `extensions` of an ASGI scope."""

UNSENT_BYTES: Final = 65_536


class StreamControl:
    """The TCP connection under a websocket or under a streamed response."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def limit_unsent(self) -> None:
        """Limit what the kernel buffers to UNSENT_BYTES: else it takes megabytes of stale progress for a slow peer."""
        self._set_option("TCP_NOTSENT_LOWAT", UNSENT_BYTES)

    def tune(self, dead_after_seconds: float) -> None:
        """Apply back-pressure early, and drop a peer that acknowledges no data for `dead_after_seconds`."""
        self.limit_unsent()
        self._set_option("TCP_USER_TIMEOUT", int(dead_after_seconds * 1000))

    def abort(self) -> None:
        """Drop the connection and all unsent data."""
        self._transport.abort()

    def _set_option(self, name: str, value: int) -> None:
        """Set a TCP option; do nothing where the platform lacks it or the transport is not TCP."""
        option: int | None = getattr(socket, name, None)
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        if option is not None and sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def stream_control(scope: Scope) -> StreamControl | None:
    """Return the control of the scope's connection; None under another server, such as a test client."""
    return scope.get("extensions", {}).get(STREAM_EXTENSION)
