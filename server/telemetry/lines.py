"""One log line for each request and operation: who asked for what by which transport, how long it took, what failed.

A line holds no prompt, token, variable, document or query string.
"""

import logging
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.types import Scope

from coordinator.storage.keys import is_live_frame
from models.domain import trace
from models.domain.trace import TraceContext
from server.media.signed_urls import MEDIA_PATH
from server.telemetry.paths import QUIET_PATHS
from server.transports.observation.port import ANSWERED_STATE, STREAM_STATE, Answered, Stream, StreamEnd

access_log = logging.getLogger("scenewire.access")
operation_log = logging.getLogger("scenewire.operations")

SUBSCRIPTION: Final = "subscription"
UNAUTHORIZED: Final = 401
_MOST_CHARACTERS: Final = 100
"""The longest name of an operation that is reported in full."""
_MOST_OF_PATH: Final = 1_000
"""The characters of a path, which clients without a token may make long."""


def log_access(scope: Scope, status: int, request_id: str) -> None:
    """Log an HTTP request, or the handshake of a websocket, in one line when its response starts.

    That of a GraphQL operation is the line of the operation, and a subscription has lines of its own. Probes of health,
    scrapes of metrics and live frames of renders have none: they are repeated all the time. A scrape that is refused
    for its token has one.
    """
    if not access_log.isEnabledFor(logging.INFO):
        return
    path: str = scope["path"]
    if (path in QUIET_PATHS and status != UNAUTHORIZED) or (
        path.startswith(MEDIA_PATH) and is_live_frame(path[len(MEDIA_PATH) :])
    ):
        return
    state = scope["state"]
    if STREAM_STATE in state:
        return
    answered: Answered | None = state.get(ANSWERED_STATE)
    extra: dict[str, object] = {"action": "http.request" if answered is None else "operation"}
    if answered is not None:
        extra.update(_operation(answered, "http"))
    extra["status"] = status
    extra["user"] = user_of(state)
    extra["client"] = _client(scope)
    extra["request_id"] = request_id
    _add_trace(extra, state)
    _log(access_log, "%s %s", (scope.get("method", "WEBSOCKET"), quote(path[:_MOST_OF_PATH])), extra)


def log_operation(connection: HTTPConnection, answered: Answered) -> None:
    """Log a query or a mutation over a websocket, whose request was logged with the handshake."""
    if operation_log.isEnabledFor(logging.INFO):
        extra = {"action": "operation", **_operation(answered, "websocket"), **_caller(connection)}
        if (context := trace.current()) is not None:
            extra["span_id"] = context.span_id
        _log(operation_log, "%s over a websocket", (answered.kind or "operation",), extra)


def log_start(connection: HTTPConnection, stream: Stream) -> None:
    """Log that a subscription has started."""
    if operation_log.isEnabledFor(logging.INFO):
        extra = {"action": "operation.started", **_subscription(connection, stream), **_caller(connection)}
        _log(operation_log, "subscription started", (), extra)


def log_end(connection: HTTPConnection, stream: Stream, end: StreamEnd) -> None:
    """Log that a subscription has ended."""
    if operation_log.isEnabledFor(logging.INFO):
        extra = {
            "action": "operation",
            **_subscription(connection, stream),
            "seconds": round(end.seconds, 3),
            "messages": end.messages,
            "errors": _joined(end.codes),
            **_caller(connection),
        }
        _log(operation_log, "subscription ended", (), extra)


def transport_of(connection: HTTPConnection) -> str:
    """Return the transport of a subscription."""
    return "sse" if connection.scope["type"] == "http" else "websocket"


def user_of(state: dict[str, Any]) -> str | None:
    """Return the id of the user of a connection; None before authentication."""
    identity = state.get("identity")
    return None if identity is None else identity.viewer.id


def _operation(answered: Answered, transport: str) -> dict[str, object]:
    return {
        "kind": answered.kind,
        "operation": _name(answered.name),
        "transport": transport,
        "seconds": round(answered.seconds, 6),
        "cost": answered.cost,
        "errors": _joined(answered.codes),
    }


def _subscription(connection: HTTPConnection, stream: Stream) -> dict[str, object]:
    return {
        "kind": SUBSCRIPTION,
        "operation": _name(stream.name),
        "transport": transport_of(connection),
        "cost": stream.cost,
    }


def _caller(connection: HTTPConnection) -> dict[str, object]:
    """Return the user of the request, also when a task of another request writes the line."""
    state = connection.scope.get("state", {})
    extra: dict[str, object] = {
        "user": user_of(state),
        "client": _client(connection.scope),
        "request_id": state.get("request_id"),
    }
    _add_trace(extra, state)
    return extra


def _client(scope: Scope) -> str:
    return (scope.get("client") or ("-", 0))[0]


def _add_trace(extra: dict[str, object], state: dict[str, Any]) -> None:
    context: TraceContext | None = state.get("trace")
    if context is not None:
        extra["trace_id"], extra["span_id"] = context.trace_id, context.span_id


def _name(name: str | None) -> str | None:
    return None if name is None else name[:_MOST_CHARACTERS]


def _joined(codes: tuple[str, ...]) -> str | None:
    return ",".join(codes) if codes else None


def _log(log: logging.Logger, message: str, arguments: tuple[object, ...], extra: dict[str, object]) -> None:
    # `log.info` would look for the line of code of each call.
    log.handle(log.makeRecord(log.name, logging.INFO, "", 0, message, arguments, None, extra=extra))
