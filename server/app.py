"""The server as an ASGI application: all its routes and middleware."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketState

from models.lazy_import import lazily
from providers.port import Provider
from schema.context import Context
from server import garbage_collection, huge_pages
from server.auth.authenticator import AuthMiddleware
from server.container import Container
from server.explorer import ASSETS_PATH, explorer_response, mount_explorer, wants_page
from server.graphql.compiling import compiled_operations, schema_of
from server.graphql.sharing import scope, shared_subscriptions
from server.graphql.trusted_documents import persisted_documents
from server.health import add_health
from server.media.media import media_route
from server.media.signed_urls import MEDIA_PATH
from server.middleware.forwarding import Forwarding, public_path
from server.middleware.known_requests import KnownRequests
from server.middleware.security_middleware import install_security_middleware
from server.providers.callbacks import PATH as CALLBACK_PATH
from server.providers.callbacks import callback_routes
from server.providers.providers import configured
from server.rest import docs, openapi
from server.rest.errors import error_response, install_error_handlers
from server.rest.rest_routes import RestRoutes
from server.root import PATH as ROOT_PATH
from server.root import add_root
from server.root import is_open as root_is_open
from server.settings import Settings
from server.storyboard import ASSETS_PATH as STORYBOARD_ASSETS_PATH
from server.telemetry.endpoint import MetricsEndpoint, metrics_route
from server.telemetry.observer import RequestObserver
from server.telemetry.paths import HEALTH_PATHS, METRICS_PATH
from server.telemetry.spans_operations import traced
from server.telemetry.traces import take_up_trace
from server.transports.documents.compiled import CompiledOperations
from server.transports.documents.document_limiter import DocumentLimiter
from server.transports.documents.persisted import PersistedDocuments
from server.transports.errors import TransportCode
from server.transports.http.upgrades import lost_upgrade
from server.transports.responses.accept import preferred
from server.transports.responses.http_errors import GraphQLHTTPError
from server.transports.router import DirectRoute, Endpoints, graphql_endpoints
from server.transports.websocket.messages import Payload
from server.uploads.addresses import UPLOADS_PATH
from server.uploads.routes import upload_routes
from server.version import VERSION

if TYPE_CHECKING:
    from server.telemetry import request_metrics
else:
    request_metrics = lazily("server.telemetry.request_metrics")

log = logging.getLogger(__name__)

GRAPHQL_PATH = "/graphql"


def create_app(
    settings: Settings,
    *,
    providers: Mapping[str, Provider] | None = None,
    renders: bool = True,
    answers: bool = True,
) -> FastAPI:
    """Return the server as an ASGI application.

    `providers` replaces the configured ones, for tests. Without `renders`, workers render. Without `answers`, as in a
    worker, the application has only its health routes.
    """
    providers = configured(settings) if providers is None else providers
    container = Container(settings, providers, renders=renders)
    app = _fastapi(container)
    app.state.container = container
    add_health(app, container)
    _add_metrics(app, container)
    if answers:
        _add_api(app, container)
        app.router.routes.extend(callback_routes(providers, settings))
    app.add_middleware(
        AuthMiddleware,
        authenticator=container.authenticator,
        is_open=_open_requests(settings),
        make_error=_error_response,
    )
    install_security_middleware(app, settings)
    app.add_middleware(
        Forwarding,
        trusted_proxies=settings.trusted_proxies,
        public_path=settings.public_path,
        own_segments=_own_segments(),
    )
    return app


def _add_metrics(app: FastAPI, container: Container) -> None:
    """Add the route of metrics, if they are shown beside the API."""
    settings = container.settings
    if container.metrics is not None and settings.shows_metrics_beside_the_api:
        endpoint = MetricsEndpoint(container.metrics, settings.metrics_token.get_secret_value())
        app.router.routes.append(metrics_route(endpoint))


def _own_segments() -> frozenset[str]:
    """Return the first segments of the server's paths."""
    pages = (ROOT_PATH, GRAPHQL_PATH, openapi.PATH, ASSETS_PATH, STORYBOARD_ASSETS_PATH, docs.PATH)
    paths = (*pages, *HEALTH_PATHS, METRICS_PATH, CALLBACK_PATH, MEDIA_PATH, UPLOADS_PATH)
    return frozenset(path.split("/")[1] for path in paths)


def _fastapi(container: Container) -> FastAPI:
    """Return an application without routes that starts and stops the container."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        await container.start()
        garbage_collection.tune()
        moving = asyncio.get_running_loop().call_later(huge_pages.AFTER_SECONDS, huge_pages.use_in_background)
        try:
            yield
        finally:
            moving.cancel()
            await container.stop()

    return FastAPI(
        title="Scenewire",
        version=VERSION,
        lifespan=lifespan,
        telemetry=_telemetry(),
        docs_url=None,
        openapi_url=None,
        redoc_url=None,
        # The address of such a redirect would be made from the Host header; `Forwarding` removes slashes at the end.
        redirect_slashes=False,
    )


def _telemetry() -> TelemetryConfig:
    """Switch FastAPI's spans off where none are exported: it would look for a provider at each request."""
    is_on = telemetry_is_on()
    return {"tracing": is_on, "metrics": is_on, "logs": is_on}


def telemetry_is_on() -> bool:
    """Return whether something else sends FastAPI's spans, such as `opentelemetry-instrument`.

    Variables of OpenTelemetry alone configure the spans of this program (`server.telemetry.spans_otlp`), which need
    none of FastAPI's.
    """
    if os.environ.get("FASTAPI_OTEL_AUTO_CONFIGURE", "").strip().lower() == "true":
        return True
    return not isinstance(get_tracer_provider(), ProxyTracerProvider)


def _open_requests(settings: Settings) -> Callable[[Scope], bool]:
    """Return the predicate of requests that need no token of a user: health, metrics, which have a token of their own,
    signed URLs, the storyboard, and in development the explorer."""
    pages = (docs.PATH, openapi.PATH) if settings.allows_explorer else ()
    if settings.shows_metrics_beside_the_api:
        pages = (*pages, METRICS_PATH)
    folders = (MEDIA_PATH, UPLOADS_PATH, CALLBACK_PATH)
    folders = (*folders, f"{ASSETS_PATH}/") if settings.allows_explorer else folders
    folders = (*folders, f"{STORYBOARD_ASSETS_PATH}/") if settings.storyboard else folders

    def is_open(scope: Scope) -> bool:
        path: str = scope["path"]  # the URL depends on the Host header, which the client controls
        if path == GRAPHQL_PATH:
            if scope["method"] == "POST":
                return False
            is_explorer = settings.allows_explorer and wants_page(Request(scope))
            return is_explorer or lost_upgrade(scope) is not None
        if path == ROOT_PATH:
            return root_is_open(Request(scope), settings)
        return path in HEALTH_PATHS or path in pages or path.startswith(folders)

    return is_open


def _error_response(
    request: Request,
    status: int,
    code: TransportCode,
    message: str,
    *,
    retry_after_seconds: float | None = None,
) -> Response:
    """Make the error response of the API that the request addresses."""
    if request.scope["path"] == GRAPHQL_PATH:
        extensions = {} if retry_after_seconds is None else {"retryAfterSeconds": retry_after_seconds}
        error = GraphQLHTTPError(status, code, message, extensions=extensions)
        return error.response(preferred(request.headers.get("accept", "")))
    details = [] if retry_after_seconds is None else [{"retry_after_seconds": retry_after_seconds}]
    return error_response(status, code, message, details)


def _add_api(app: FastAPI, container: Container) -> None:
    """Add GraphQL, REST, media and, where they are allowed, the pages."""

    def make_context(connection: HTTPConnection) -> Context:
        viewer, path = scope(connection)
        is_gone = partial(_is_gone, container, connection)
        return container.context(viewer, connection.scope["state"]["request_id"], path, is_gone)

    compiled = compiled_operations(container.settings)
    # Counts for tests and benchmarks.
    app.state.execution_paths = None if compiled is None else compiled.paths
    app.add_middleware(DirectRoute, endpoints=_graphql(container, make_context, compiled), path=GRAPHQL_PATH)
    app.state.make_context = make_context
    # Not included, which would make each of them again.
    rest = RestRoutes(app.router)
    app.router.routes.append(rest)
    install_error_handlers(app)
    settings = container.settings
    redirect_seconds = settings.media_url_seconds if settings.media_redirects else 0
    app.router.routes.append(media_route(container.media, container.signed_urls, redirect_seconds))
    uploads, addresses = container.coordinator.uploads, container.signed_urls.uploads
    app.router.routes.extend(upload_routes(uploads, addresses, settings.asset_max_bytes))
    if settings.allows_explorer:
        openapi.add_openapi(app, rest, tokens_required=settings.production)
        docs.add_docs(app)
        mount_explorer(app)
    add_root(app, settings, container.media, GRAPHQL_PATH)


async def _is_gone(container: Container, connection: HTTPConnection) -> bool:
    """Return whether the client has closed its connection, or must not read the answer any more."""
    if isinstance(connection, WebSocket):
        # One whose token is over is closed by the server.
        return WebSocketState.DISCONNECTED in (connection.client_state, connection.application_state)
    if not isinstance(connection, Request):
        return False
    return await connection.is_disconnected() or await container.authenticator.is_refused(connection)


def _explorer(settings: Settings) -> Callable[[Request], Response]:
    return lambda request: explorer_response(public_path(request), storyboard=settings.storyboard)


def _graphql(
    container: Container, make_context: Callable[[HTTPConnection], Context], compiled: CompiledOperations | None
) -> Endpoints:
    async def context(connection: HTTPConnection) -> Context:
        return make_context(connection)

    async def on_init(socket: WebSocket, payload: Payload | None) -> None:
        take_up_trace(socket, payload)
        await container.authenticator.on_init(socket, payload)

    settings = container.settings
    schema = schema_of(settings)
    documents = persisted_documents(settings)
    return graphql_endpoints(
        schema,
        context=context,
        on_init=on_init,
        connections=container.connections,
        document_limiter=DocumentLimiter(schema.core, settings.document_limits),
        rate_limiter=container.rates,
        limits=settings.transport_limits,
        documents=documents,
        get_queries=settings.allows_get_queries,
        explorer=_explorer(settings) if settings.allows_explorer else None,
        shared=shared_subscriptions(schema, settings),
        compiled=compiled,
        # Telemetry has to see every request.
        renewal=None if telemetry_is_on() else KnownRequests(container.authenticator),
        context_at_once=make_context,
        observer=traced(RequestObserver(_request_metrics(container, compiled, documents)), container.telemetry),
    )


def _request_metrics(
    container: Container, compiled: CompiledOperations | None, documents: PersistedDocuments
) -> "request_metrics.RequestMetrics | None":
    """Return the metrics of operations; None where they are not exposed."""
    if container.metrics is None:
        return None
    paths = None if compiled is None else compiled.paths
    metrics = request_metrics.RequestMetrics(container, paths, documents.trusted_names)
    container.metrics.registry.register(metrics)
    return metrics
