"""Middleware around all routes: allowed origins, CORS, headers of responses, unexpected errors, trusted proxies."""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.configuration.setting_types import LOOPBACK
from server.middleware.request_ids import RequestIds
from server.settings import PREFIX, Settings
from server.transports.errors import (
    INTERNAL_MESSAGE,
    TransportCode,
    bodies_of_both_apis,
    report,
    request_id_of,
    shortened,
)
from server.transports.header_values import value_of, values_of

log = logging.getLogger(__name__)

SECURITY_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Responses are valid for one moment and one user; media and the files of the explorer set their own header.
    "cache-control": "no-store",
    # For responses that are no pages: if a browser shows one as a page, nothing in it runs.
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_SECURITY_HEADERS: Final = {name.encode(): value.encode() for name, value in SECURITY_HEADERS.items()}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_API_PATHS: Final = ("/graphql", "/api/")
_RESPONSE_START: Final = frozenset({"http.response.start", "websocket.http.response.start"})
_CORS_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_CORS_HEADERS: Final = (
    "authorization",
    "content-type",
    "last-event-id",
    "x-request-id",
    "x-requested-with",
    # Tracing: https://www.w3.org/TR/trace-context/, https://www.w3.org/TR/baggage/ and Sentry's browser client.
    "traceparent",
    "tracestate",
    "baggage",
    "sentry-trace",
    # Uploads by https://tus.io/protocols/resumable-upload.
    "tus-resumable",
    "upload-checksum",
    "upload-length",
    "upload-offset",
    "x-http-method-override",
    # Sent by Apollo Client.
    "apollo-require-preflight",
    "apollographql-client-name",
    "apollographql-client-version",
    "x-apollo-operation-name",
)
_CORS_EXPOSED: Final = (
    *("retry-after", "x-request-id"),
    *("tus-resumable", "tus-version", "upload-expires", "upload-length", "upload-offset"),
)

LOGGED_ORIGINS: Final = 100
LOG_PERIOD_SECONDS: Final = 3_600


def install_security_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the middleware to the application. The last one that is added is the first to receive a request."""
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=_CORS_METHODS,
            allow_headers=(*_CORS_HEADERS, *settings.allowed_headers),
            expose_headers=_CORS_EXPOSED,
        )
    app.add_middleware(
        _Origins, public=origin_of(settings.public_url), hosts=_own_hosts(settings), allowed=settings.allowed_origins
    )
    app.add_middleware(_SafeResponses)
    app.add_middleware(RequestIds)


class Origin(NamedTuple):
    """An origin with its port, also where that is the default of the scheme (RFC 6454, section 4)."""

    scheme: str
    host: str
    port: int


def origin_of(url: str) -> Origin | None:
    """Return the origin of an absolute URL; None for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return Origin(parts.scheme, parts.hostname, port) if parts.hostname and "@" not in parts.netloc else None


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
    """Rejects requests to the API, and all that may change something, from pages of other origins (CSRF protection)."""

    def __init__(
        self, app: ASGIApp, public: Origin | None, hosts: frozenset[str] | None, allowed: Iterable[str]
    ) -> None:
        self._app = app
        self._public = public
        self._hosts = hosts
        self._allowed = frozenset(allowed)
        self._log = _RejectionLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        origins = values_of(scope, b"origin")
        if not _is_guarded(scope) or self._is_allowed(origins, scope):
            await self._app(scope, receive, send)
            return
        self._log.add(", ".join(origins))
        message = f"Pages of this origin may not call the server: {PREFIX}ALLOWED_ORIGINS does not list it."
        body = bodies_of_both_apis(TransportCode.FORBIDDEN, message)
        await JSONResponse(body, 403, {"vary": "origin"})(scope, receive, send)

    def _is_allowed(self, origins: Sequence[str], scope: Scope) -> bool:
        if not origins:
            return True  # current browsers send the header with every unsafe request
        return len(origins) == 1 and (origins[0] in self._allowed or self._is_own(origins[0], scope))

    def _is_own(self, text: str, scope: Scope) -> bool:
        """Whether it is the origin of PUBLIC_URL, or that of the host which the request addresses."""
        origin = origin_of(text)
        if origin is None:
            return False
        addressed = origin_of(f"{origin.scheme}://{value_of(scope, b'host') or ''}")
        return origin == self._public or (origin == addressed and (self._hosts is None or origin.host in self._hosts))


def _is_guarded(scope: Scope) -> bool:
    """Return whether pages of other origins must not send the request: it may change something, or is to the API.

    Preflight requests to the API are included, so that a developer sees the reason in their response.
    """
    unsafe = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
    return unsafe or scope["path"].startswith(_API_PATHS)


class _RejectionLog:
    """Logs each rejected origin once per LOG_PERIOD_SECONDS, and at most LOGGED_ORIGINS of them: the header is free
    text of the client."""

    def __init__(self) -> None:
        self._logged: set[str] = set()
        self._ends_at = 0.0

    def add(self, origin: str) -> None:
        """Log the rejection of a request from this origin, unless it was logged before."""
        now = time.monotonic()
        if now >= self._ends_at:
            self._logged.clear()
            self._ends_at = now + LOG_PERIOD_SECONDS
        name = shortened(ascii(origin)[1:-1])
        if name in self._logged or len(self._logged) >= LOGGED_ORIGINS:
            return
        self._logged.add(name)
        message = "Rejected a request from a page of %s: %sALLOWED_ORIGINS does not list it"
        log.warning(message, name, PREFIX, extra={"action": "origin.rejected", "origin": name})


class _SafeResponses:
    """Adds security headers that a response does not set itself; masks an unexpected error as INTERNAL with an id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_safely(message: Message) -> None:
            nonlocal started
            if message["type"] in _RESPONSE_START:
                started = True
                headers = list(message.get("headers", ()))
                own = {name.lower() for name, _ in headers}
                headers += [pair for pair in _SECURITY_HEADERS.items() if pair[0] not in own]
                message["headers"] = headers
            await send(message)

        try:
            await self._app(scope, receive, send_safely)
        except Exception as error:
            if started or scope["type"] != "http":
                raise  # uvicorn closes the connection, so the client sees that the response is incomplete
            extensions = report(error, request_id_of(HTTPConnection(scope)))
            code = TransportCode.INTERNAL
            details = {name: value for name, value in extensions.items() if name != "code"}
            response = JSONResponse(bodies_of_both_apis(code, INTERNAL_MESSAGE, details), 500)
            await response(scope, receive, send_safely)
