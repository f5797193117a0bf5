"""What every answer and every request goes through, whatever the route: origins, security headers, accidents."""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server.request_ids import RequestIds
from server.setting_types import LOOPBACK
from server.settings import Settings
from server.transports.errors import INTERNAL_MESSAGE, TransportCode, report, request_id_of

SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Of whatever is no page: should a browser take it for one, nothing in it runs.
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CORS_METHODS: Final = ("GET", "POST", "PUT", "DELETE")
_CORS_HEADERS: Final = ("authorization", "content-type")


def install_security_middleware(app: FastAPI, settings: Settings) -> None:
    """Put them around the application; the last is the first that a request meets."""
    app.add_middleware(_Origins, own=_own_hosts(settings), allowed=settings.allowed_origins)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=_CORS_METHODS,
            allow_headers=_CORS_HEADERS,
            expose_headers=("retry-after",),
        )
    app.add_middleware(_Answers)
    app.add_middleware(RequestIds)
    if settings.trusted_proxies:
        # Right to left, the first address in X-Forwarded-For that is no trusted proxy's is the client's.
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies)


def _own_hosts(settings: Settings) -> frozenset[str] | None:
    """The names under which the server's own pages may call it; None for whatever name it was called by.

    In development nobody is asked who they are, and a name that an attacker lets point to this machine (DNS rebinding)
    would make the attacker's page one of ours.
    """
    if settings.production:
        return None
    public = urlsplit(settings.address).hostname
    return LOOPBACK if public is None else LOOPBACK | {public}


class _Origins:
    """A browser says which page a request comes from: what changes something, and a websocket, only from ours."""

    def __init__(self, app: ASGIApp, own: frozenset[str] | None, allowed: Iterable[str]) -> None:
        self._app = app
        self._own = own
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asks = scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] not in _SAFE_METHODS)
        if not asks or self._may(Headers(scope=scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Before the handshake is accepted this is an HTTP 403.
            await send({"type": "websocket.close", "code": 1008, "reason": "Origin not allowed"})
        else:
            await _refusal(403, "Not allowed from this origin", {"code": TransportCode.FORBIDDEN})(scope, receive, send)

    def _may(self, headers: Headers) -> bool:
        origins = headers.getlist("origin")
        if not origins:
            return True  # no browser, or none of today's
        return len(origins) == 1 and (origins[0] in self._allowed or self._is_own(origins[0], headers))

    def _is_own(self, origin: str, headers: Headers) -> bool:
        try:
            place = urlsplit(origin)
            same = bool(place.netloc) and place.netloc.lower() == headers.get("host", "").lower()
            return same and (self._own is None or place.hostname in self._own)
        except ValueError:
            return False


class _Answers:
    """Security headers on every answer that does not set its own; an accident becomes INTERNAL with an id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, guarded)
        except Exception as error:
            if begun:
                raise  # the server cuts it off, so that nobody takes it for whole
            extensions = report(error, request_id_of(HTTPConnection(scope)))
            answer = _refusal(500, INTERNAL_MESSAGE, extensions)
            await answer(scope, receive, guarded)


def _refusal(status: int, message: str, extensions: Mapping[str, object]) -> JSONResponse:
    """Readable by GraphQL's clients and by REST's, for nobody knows yet which it is."""
    details = [{name: value for name, value in extensions.items() if name != "code"}]
    return JSONResponse(
        {
            "errors": [{"message": message, "extensions": extensions}],
            "error": {"code": extensions["code"], "message": message, "details": [each for each in details if each]},
        },
        status,
    )
