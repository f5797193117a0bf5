"""GraphQL over websocket: the ASGI application of the route, which accepts websockets and serves each.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. The older `graphql-ws` subprotocol is not supported.
"""

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from server.transports.closing import CloseCode
from server.transports.connections.client_network import client_network
from server.transports.connections.registry import Connections
from server.transports.connections.slots import ConnectionSlots
from server.transports.execution import Executor
from server.transports.websocket.on_init import OnInit
from server.transports.websocket.pending_connections import PendingConnections
from server.transports.websocket.websocket import Connection

SUBPROTOCOL = "graphql-transport-ws"


class WebSocketEndpoint:
    """The ASGI application of the websocket route."""

    def __init__(
        self, executor: Executor, connections: Connections, slots: ConnectionSlots, on_init: OnInit | None
    ) -> None:
        self._executor = executor
        self._connections = connections
        self._slots = slots
        self._on_init = on_init
        self._pending = PendingConnections(executor.limits.pending_per_address, executor.limits.pending_connections)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        if SUBPROTOCOL not in scope["subprotocols"]:
            # A close before the accept would be an HTTP 403, which browsers report as 1006.
            await socket.accept()
            await socket.close(CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE, f"Subprotocol must be {SUBPROTOCOL}")
            return
        await socket.accept(SUBPROTOCOL)
        connection = Connection(socket, self._executor, self._on_init, self._pending, self._slots)
        # Not by context managers, each of which would take some 500 bytes as long as the websocket.
        self._connections.add(connection)
        try:
            self._pending.add(connection, client_network(socket))
            if self._connections.closed_with is not None:
                await connection.close(*self._connections.closed_with)
            await connection.serve()
        finally:
            self._pending.remove(connection)
            self._connections.remove(connection)
