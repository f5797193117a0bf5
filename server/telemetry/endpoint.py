"""The endpoint of metrics: at a port of its own, or at the port of the API for callers with the token."""

import hmac
import socket
from typing import TYPE_CHECKING

import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from server.processes.listening import listening
from server.telemetry.paths import METRICS_PATH

if TYPE_CHECKING:
    from server.telemetry.registry import Metrics

BACKLOG = 16
STOP_SECONDS = 1


class MetricsEndpoint:
    """The ASGI application that answers scrapes. With a token, only callers that send it as a bearer token."""

    def __init__(self, metrics: "Metrics", token: str) -> None:
        self._metrics = metrics
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "websocket":  # at the port of metrics; uvicorn would log an error for no answer
            await send({"type": "websocket.close"})
        elif scope["type"] == "http":
            response = await self._respond_to(Request(scope))
            await response(scope, receive, send)

    async def _respond_to(self, request: Request) -> Response:
        if request.url.path != METRICS_PATH:
            return PlainTextResponse("Not found\n", 404)
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Method not allowed\n", 405, {"allow": "GET, HEAD"})
        if self._token and not self._is_authorized(request):
            return PlainTextResponse("Unauthorized\n", 401, {"www-authenticate": 'Bearer realm="metrics"'})
        shown = await self._metrics.expose(request.headers.get("accept", ""))
        return Response(shown.body, 200, {"content-type": shown.media_type, "cache-control": "no-store"})

    def _is_authorized(self, request: Request) -> bool:
        scheme, _, sent = request.headers.get("authorization", "").partition(" ")
        is_equal = hmac.compare_digest(sent.strip().encode(), self._token.encode())
        return is_equal and scheme.lower() == "bearer"


def metrics_route(endpoint: MetricsEndpoint) -> Route:
    """Return the route at the port of the API."""
    return Route(METRICS_PATH, endpoint, include_in_schema=False)


def listen_for_scrapes(host: str, port: int) -> socket.socket:
    """Return a socket that listens at this address. Raises WrongSettings when that is not possible."""
    return listening(host, port, BACKLOG, "METRICS_PORT")


class MetricsServer:
    """Answers scrapes at a port of its own, in the event loop of the process."""

    def __init__(self, endpoint: ASGIApp, listener: socket.socket) -> None:
        self._listener = listener
        config = uvicorn.Config(
            endpoint,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=STOP_SECONDS,
            limit_concurrency=BACKLOG,
        )
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)

    async def start(self) -> None:
        """Answer until `stop`."""
        await self._server.startup([self._listener])

    async def stop(self) -> None:
        """Close the port, and the connections of scrapers."""
        await self._server.shutdown([self._listener])
