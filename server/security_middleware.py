"""Middleware around all routes: allowed origins, CORS, security headers, unexpected errors, trusted proxies."""

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
    # For responses that are no pages: if a browser shows one as a page, nothing in it runs.
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_CORS_METHODS: Final = ("GET", "POST", "PUT", "DELETE")
_CORS_HEADERS: Final = ("authorization", "content-type")


def install_security_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the middleware to the application. The last one that is added is the first to receive a request."""
    app.add_middleware(_Origins, own=_own_hosts(settings), allowed=settings.allowed_origins)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=_CORS_METHODS,
            allow_headers=_CORS_HEADERS,
            expose_headers=("retry-after",),
        )
    app.add_middleware(_SafeResponses)
    app.add_middleware(RequestIds)
    if settings.trusted_proxies:
        # The client is the rightmost address in X-Forwarded-For that is not a trusted proxy's.
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies)


def _own_hosts(settings: Settings) -> frozenset[str] | None:
    """Return the host names from which the server's own pages may call it; None accepts any name of the server.

    Development requires no token, so a host name that an attacker points to this machine (DNS rebinding) must not count
    as the server's own.
    """
    if settings.production:
        return None
    public = urlsplit(settings.address).hostname
    return LOOPBACK if public is None else LOOPBACK | {public}


class _Origins:
    """Rejects requests that may change something, and websockets, from pages of other origins (CSRF protection)."""

    def __init__(self, app: ASGIApp, own: frozenset[str] | None, allowed: Iterable[str]) -> None:
        self._app = app
        self._own = own
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        unsafe = scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] not in _SAFE_METHODS)
        if not unsafe or self._is_allowed(Headers(scope=scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Before the handshake is accepted this is an HTTP 403.
            await send({"type": "websocket.close", "code": 1008, "reason": "Origin not allowed"})
        else:
            extensions = {"code": TransportCode.FORBIDDEN}
            await _error_response(403, "Not allowed from this origin", extensions)(scope, receive, send)

    def _is_allowed(self, headers: Headers) -> bool:
        origins = headers.getlist("origin")
        if not origins:
            return True  # current browsers send the header with every unsafe request
        return len(origins) == 1 and (origins[0] in self._allowed or self._is_own(origins[0], headers))

    def _is_own(self, origin: str, headers: Headers) -> bool:
        try:
            url = urlsplit(origin)
            same = bool(url.netloc) and url.netloc.lower() == headers.get("host", "").lower()
            return same and (self._own is None or url.hostname in self._own)
        except ValueError:
            return False


class _SafeResponses:
    """Adds security headers that a response does not set itself; masks an unexpected error as INTERNAL with an id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_safely(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_safely)
        except Exception as error:
            if started:
                raise  # uvicorn closes the connection, so the client sees that the response is incomplete
            extensions = report(error, request_id_of(HTTPConnection(scope)))
            response = _error_response(500, INTERNAL_MESSAGE, extensions)
            await response(scope, receive, send_safely)


def _error_response(status: int, message: str, extensions: Mapping[str, object]) -> JSONResponse:
    """Make an error response in the shapes of GraphQL and of REST at once: the API of the request is not known here."""
    details = {name: value for name, value in extensions.items() if name != "code"}
    return JSONResponse(
        {
            "errors": [{"message": message, "extensions": extensions}],
            "error": {"code": extensions["code"], "message": message, "details": [details] if details else []},
        },
        status,
    )
