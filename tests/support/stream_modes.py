"""The ways in which a server sends the messages of streams; what clients receive must not depend on them."""

import pytest

from server.transports.protocols.websocket_protocol import WebSocketProtocol
from tests.support.client import Json

MODES = ("alone", "direct", "asgi")
"""Executed for each subscriber; shared and written below ASGI; shared and sent by ASGI."""


def use(mode: str, monkeypatch: pytest.MonkeyPatch) -> Json:
    """Choose a mode for the servers of a test. Return the settings to run them with."""
    assert mode in MODES
    if mode == "asgi":
        monkeypatch.setattr(WebSocketProtocol, "writes_frames", False)
    return {"shared_streams": mode != "alone"}
