"""Websocket handshakes that lost their Upgrade on the way, and so arrive as plain requests."""

from typing import Final

from starlette.types import Scope

from server.transports.errors import TransportCode
from server.transports.header_values import value_of
from server.transports.responses.http_errors import GraphQLHTTPError

_HANDSHAKE: Final = frozenset({b"sec-websocket-key", b"sec-websocket-version"})


def lost_upgrade(scope: Scope) -> GraphQLHTTPError | None:
    """Return the error for a websocket handshake without its hop-by-hop headers; None for any other request.

    A proxy removes them unless it is configured to pass them on (RFC 9110, section 7.6.1).
    """
    if scope["method"] != "GET" or _HANDSHAKE.isdisjoint([name for name, _ in scope["headers"]]):
        return None
    required = ((b"upgrade", "websocket", "Upgrade: websocket"), (b"connection", "upgrade", "Connection: Upgrade"))
    missing = [line for name, token, line in required if token not in (value_of(scope, name) or "").lower()]
    message = (
        f"A websocket handshake must have the header {' and '.join(missing) or 'Upgrade: websocket'}; "
        "a proxy before the server has to pass on Upgrade and Connection"
    )
    upgrade = {"upgrade": "websocket", "connection": "upgrade"}
    return GraphQLHTTPError(426, TransportCode.UPGRADE_REQUIRED, message, upgrade)
