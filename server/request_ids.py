"""Every request has an id, the client's own or a new one: in the answer, in the one line of the log, in the audit."""

import logging
import re
import secrets
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("scenewire.access")

HEADER = "x-request-id"
_SANE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class RequestIds:
    """Around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give the request its id, and log it when it is answered."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _SANE.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id

        async def answer(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message.setdefault("headers", [])
                MutableHeaders(scope=message)[HEADER] = request_id
                _tell(scope, message.get("status", 101), request_id)
            await send(message)

        await self._app(scope, receive, answer)


def _tell(scope: Scope, status: int, request_id: str) -> None:
    """Without the query string, which may hold what people asked and by which signature; and on one line."""
    peer = scope.get("client") or ("-", 0)
    path = quote(scope["path"])
    log.info(
        '%s "%s %s" %d %s',
        peer[0],
        scope.get("method", "WEBSOCKET"),
        path,
        status,
        request_id,
        extra={"action": "request", "request_id": request_id},
    )
