"""Request ids: each request has one, its client's own or a new one, in its response, its access log line and its audit
records."""

import logging
import random
import re
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.transports.header_values import value_of

log = logging.getLogger("scenewire.access")

HEADER = b"x-request-id"
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_ACCEPTED = re.compile(r"[A-Za-z0-9_-]{1,64}")
# An id is unique, not secret; it is seeded from the operating system, which is not asked for each request.
_random = random.Random()  # noqa: S311 # no secret


class RequestIds:
    """Middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give the request its id, and log the request when its response starts."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        requested = value_of(scope, HEADER) or ""
        request_id = requested if _ACCEPTED.fullmatch(requested) else f"{_random.getrandbits(64):016x}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] in _STARTS:
                others = [pair for pair in message.get("headers", ()) if pair[0].lower() != HEADER]
                message["headers"] = [*others, (HEADER, request_id.encode("ascii"))]
                _log_access(scope, message.get("status", 101), request_id)
            await send(message)

        await self._app(scope, receive, send_with_id)


def _log_access(scope: Scope, status: int, request_id: str) -> None:
    """Log the request in one line, without its query string, which may hold a GraphQL query or a signature."""
    if not log.isEnabledFor(logging.INFO):
        return
    client = (scope.get("client") or ("-", 0))[0]
    line = (scope.get("method", "WEBSOCKET"), quote(scope["path"]))
    extra = {"action": "http.request", "status": status, "client": client, "request_id": request_id}
    # `log.info` would look for the line of code of each call.
    log.handle(log.makeRecord(log.name, logging.INFO, "", 0, "%s %s", line, None, extra=extra))
