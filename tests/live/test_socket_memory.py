"""What an open websocket keeps in memory."""

import gc
from typing import Any, cast

from websockets.protocol import Protocol

from server.transports.protocols.websocket_protocol import WebSocketProtocol
from tests.support.multiplexed import multiplexed
from tests.support.server_app import App

# The most attributes whose names objects of a class share; more take 1.3 KB for each object.
SHARED_NAMES = 30


def protocols() -> list[WebSocketProtocol]:
    """Return those in memory."""
    # isinstance() would ask what a weak proxy stands for, which may be gone: ask the type itself.
    return [cast("WebSocketProtocol", each) for each in gc.get_objects() if issubclass(type(each), WebSocketProtocol)]


async def test_open_websocket_keeps_neither_its_handshake_nor_a_dictionary_of_its_own(app: App) -> None:
    """The parser of the handshake would keep the head, some 3 KB."""
    async with multiplexed(app) as socket:
        await socket.subscribe("1", "subscription { jobsUpdated { id } }")
        open_now = [each for each in protocols() if not each.disconnected]
        assert open_now
        for protocol in open_now:
            assert vars(Protocol)["parse"].__code__ is cast("Any", protocol.conn.parser).gi_code
            assert not hasattr(protocol, "request")
            assert len(vars(protocol)) <= SHARED_NAMES
