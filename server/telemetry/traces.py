"""The traces of clients on websockets, whose browsers cannot set headers."""

from starlette.websockets import WebSocket

from models.domain import trace
from server.transports.websocket.messages import Payload


def take_up_trace(socket: WebSocket, payload: Payload | None) -> None:
    """Let the operations of a websocket belong to the trace that `connection_init` names, if it names one.

    Without it, they belong to that of the handshake.
    """
    named = {name.lower(): value for name, value in (payload or {}).items() if isinstance(value, str)}
    parent = trace.parse(named.get("traceparent"), named.get("tracestate"))
    if parent is not None:
        socket.state.trace = parent.child()
        trace.enter(socket.state.trace)
