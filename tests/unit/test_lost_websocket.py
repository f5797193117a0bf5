"""A websocket that the server fails while its peer resets the connection."""

import asyncio
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState
from websockets.protocol import State

from server.transports.limits import TransportLimits
from server.transports.protocols.read_turns import ReadTurns
from server.transports.protocols.websocket_protocol import WebSocketProtocol
from tests.unit.test_framework_internals import no_app


class ResetTransport(asyncio.Transport):
    """A transport whose peer has reset the connection, which only `write_eof` notices."""

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the data."""

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        raise OSError(107, "Transport endpoint is not connected")

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


async def test_missing_pong_of_a_reset_connection_aborts_it_and_writes_no_more_frames() -> None:
    """A frame after `write_eof` would raise in the task that writes to all subscribers."""
    config = uvicorn.Config(no_app, lifespan="off")
    config.load()
    protocol = WebSocketProtocol(config=config, server_state=ServerState(), app_state={})
    protocol.limits, protocol.turns = TransportLimits(), ReadTurns()
    transport = ResetTransport()
    protocol.connection_made(transport)
    cast("Any", protocol).conn.state = State.OPEN
    protocol.keepalive_timeout()
    assert transport.aborted
    assert protocol.close_sent
    assert not protocol.write_frames(b"frame")
