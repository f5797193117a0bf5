"""Websocket handshakes that lost their Upgrade on the way, and so arrive as plain requests."""

from starlette.requests import Request

from server.transports.errors import TransportCode
from server.transports.http_errors import GraphQLHTTPError


def lost_upgrade(request: Request) -> GraphQLHTTPError | None:
    """Return the error for a websocket handshake without its hop-by-hop headers; None for any other request.

    A proxy removes them unless it is configured to pass them on (RFC 9110, section 7.6.1).
    """
    headers = request.headers
    if request.method != "GET" or not ("sec-websocket-key" in headers or "sec-websocket-version" in headers):
        return None
    required = (("upgrade", "websocket", "Upgrade: websocket"), ("connection", "upgrade", "Connection: Upgrade"))
    missing = [line for name, token, line in required if token not in headers.get(name, "").lower()]
    message = (
        f"A websocket handshake must have the header {' and '.join(missing) or 'Upgrade: websocket'}; "
        "a proxy before the server has to pass on Upgrade and Connection"
    )
    upgrade = {"upgrade": "websocket", "connection": "upgrade"}
    return GraphQLHTTPError(426, TransportCode.UPGRADE_REQUIRED, message, upgrade)
