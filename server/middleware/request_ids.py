"""Request ids and traces: each request has an id and belongs to a trace, its client's own or a new one.

The id is in its response, its log lines and its audit records; the trace, in its log lines and in what it causes.
"""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.domain import trace
from models.domain.ids import unique_bits
from server.telemetry.lines import log_access
from server.transports.header_values import value_of
from server.transports.responses.made_answers import made_answer

HEADER = b"x-request-id"
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_ACCEPTED = re.compile(r"[A-Za-z0-9_-]{1,64}")


class RequestIds:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give the request its id, and log the request when its response starts."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        # The work for an answer that is made already was done under this id.
        if made_answer(scope) is None:
            state["request_id"] = accepted_id(value_of(scope, HEADER)) or new_id()
            state["trace"] = trace.continued(value_of(scope, b"traceparent"), value_of(scope, b"tracestate"))
        request_id: str = state["request_id"]

        async def send_with_id(message: Message) -> None:
            if message["type"] in _STARTS:
                others = [pair for pair in message.get("headers", ()) if pair[0].lower() != HEADER]
                message["headers"] = [*others, (HEADER, request_id.encode("ascii"))]
                log_access(scope, message.get("status", 101), request_id)
            await send(message)

        token = trace.enter(state.get("trace"))
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            trace.leave(token)


def accepted_id(requested: str | None) -> str | None:
    """Return the id that the client wants its request to have, if it wants one and may have it."""
    return requested if requested is not None and _ACCEPTED.fullmatch(requested) else None


def new_id() -> str:
    """Return the id of a request whose client wants none."""
    return f"{unique_bits(64):016x}"
