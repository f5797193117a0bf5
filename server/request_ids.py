"""Request ids: each request has one, its client's own or a new one, in its response, its access log line and its audit
records."""

import logging
import re
import secrets
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("scenewire.access")

HEADER = "x-request-id"
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
        requested = Headers(scope=scope).get(HEADER, "")
        request_id = requested if _ACCEPTED.fullmatch(requested) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] in _STARTS:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[HEADER] = request_id
                _log_access(scope, message.get("status", 101), request_id)
            await send(message)

        await self._app(scope, receive, send_with_id)


def _log_access(scope: Scope, status: int, request_id: str) -> None:
    """Log the request in one line, without its query string, which may hold a GraphQL query or a signature."""
    client = (scope.get("client") or ("-", 0))[0]
    log.info(
        "%s %s",
        scope.get("method", "WEBSOCKET"),
        quote(scope["path"]),
        extra={"action": "http.request", "status": status, "client": client, "request_id": request_id},
    )
