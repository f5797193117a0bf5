"""The change from the protocol of HTTP to that of a websocket, on one connection."""

from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.datastructures import Headers as HandshakeHeaders
from websockets.http11 import Request

from server.transports.protocols.request_head import Headers, RejectedRequest


def handshake_request(target: bytes, headers: Headers) -> Request:
    """Return a handshake as the websocket library would parse it. Raises RejectedRequest."""
    if not target.isascii():
        raise RejectedRequest.malformed("The address of the request is not ASCII")
    fields = HandshakeHeaders()
    for name, value in headers:
        fields.set_insecure(name.decode("ascii"), value.decode("latin-1"))
    return Request(target.decode("ascii"), fields)


def open_websocket(protocol: HttpToolsProtocol, handshake: Request) -> None:
    """Let the protocol of websockets continue, as uvicorn does, but with a handshake that is parsed already."""
    protocol.connections.discard(protocol)
    websocket = cast("Any", protocol.ws_protocol_class)(
        config=protocol.config, server_state=protocol.server_state, app_state=protocol.app_state
    )
    websocket.connection_made(protocol.transport)
    websocket.begin(handshake)
    protocol.transport.set_protocol(websocket)
