"""The server as an ASGI application: every route of it."""

import gc
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from models.domain.errors import Unavailable
from providers.port import Provider
from providers.replicate.model import CALLBACK_PATH
from schema.context import Context
from server import rest, rest_docs
from server.auth.authenticator import AuthMiddleware
from server.callbacks import callback_routes
from server.container import Container
from server.explorer import ASSETS_PATH, explorer_response, mount_explorer, wants_explorer
from server.media import media_route
from server.providers import configured
from server.schema import executable_schema
from server.security_middleware import install_security_middleware
from server.settings import VERSION, Settings
from server.transports import DocumentLimiter, graphql_router
from server.transports.accept import preferred
from server.transports.errors import TransportCode
from server.transports.http_errors import GraphQLHTTPError

log = logging.getLogger(__name__)

GRAPHQL_PATH, DESCRIPTION_PATH = "/graphql", "/openapi.json"
HEALTH_PATHS = ("/healthz", "/readyz")


def create_app(
    settings: Settings,
    *,
    providers: Mapping[str, Provider] | None = None,
    renders: bool = True,
    answers: bool = True,
) -> FastAPI:
    """The server as an ASGI application; a worker's only tells how it is (`answers` False).

    `providers` replaces the configured ones, for tests; without `renders`, others render.
    """
    chosen = configured(settings) if providers is None else providers
    container = Container(settings, chosen, renders=renders)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        await container.start()
        # What exists now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            await container.stop()

    described = settings.allows_explorer
    app = FastAPI(
        title="Scenewire",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        openapi_url=DESCRIPTION_PATH if described else None,
        redoc_url=None,
    )
    app.state.container = container
    _add_health(app, container)
    if answers:
        _add_api(app, container)
        app.router.routes.extend(callback_routes(chosen, settings))
    app.add_middleware(
        AuthMiddleware, authenticator=container.authenticator, is_open=_opened(settings), refuse=_refusal
    )
    install_security_middleware(app, settings)
    return app


def _opened(settings: Settings) -> Callable[[Request], bool]:
    """What is open to all: how the server is, what is guarded by signatures, and in development the explorer."""
    pages = ("/", rest_docs.PATH, DESCRIPTION_PATH) if settings.allows_explorer else ()
    folders = ("/media/", CALLBACK_PATH, *((f"{ASSETS_PATH}/",) if settings.allows_explorer else ()))

    def is_open(request: Request) -> bool:
        path: str = request.scope["path"]  # its `url` believes the Host header
        explored = path == GRAPHQL_PATH and settings.allows_explorer and wants_explorer(request)
        return path in HEALTH_PATHS or path in pages or path.startswith(folders) or explored

    return is_open


def _refusal(request: Request, status: int, code: TransportCode, why: str) -> Response:
    """For who does not get in, in the shape of the API that they knocked at."""
    if request.scope["path"] == GRAPHQL_PATH:
        return GraphQLHTTPError(status, code, why).response(preferred(request.headers.get("accept", "")))
    return rest.error_answer(status, code, why, [])


def _add_api(app: FastAPI, container: Container) -> None:
    def make_context(connection: HTTPConnection) -> Context:
        return container.context(connection.state.identity.viewer, connection.state.request_id)

    async def context(connection: HTTPConnection) -> Context:
        return make_context(connection)

    settings = container.settings
    schema = executable_schema(
        introspection=settings.allows_introspection,
        suggestions=settings.allows_suggestions,
        max_tokens=settings.limit_tokens,
    )
    app.include_router(
        graphql_router(
            schema,
            context=context,
            on_init=container.authenticator.on_init,
            connections=container.connections,
            document_limiter=DocumentLimiter(schema.core, settings.document_limits),
            rate_limiter=container.rates,
            limits=settings.transport_limits,
            get_queries=settings.allows_get_queries,
            explorer=(lambda _request: explorer_response()) if settings.allows_explorer else None,
            path=GRAPHQL_PATH,
        )
    )
    app.include_router(rest.router(make_context))
    rest.answer_errors(app)
    app.router.routes.append(media_route(container.media, container.signed_urls))
    if settings.allows_explorer:
        rest_docs.add_docs(app)
        mount_explorer(app)
        app.add_api_route("/", _redirect_to_explorer, include_in_schema=False)


def _add_health(app: FastAPI, container: Container) -> None:
    async def healthz() -> JSONResponse:
        """The process is alive."""
        return JSONResponse({"status": "ok"})

    async def readyz() -> JSONResponse:
        """The database answers and the queue hands out work."""
        try:
            await container.database.ping()
            database = True
        except Unavailable as away:
            log.warning("not ready: %s (%s)", away, away.__cause__, extra={"action": "readyz"})
            database = False
        queue = container.coordinator.running or not container.renders
        ready = database and queue
        return JSONResponse(
            {"status": "ok" if ready else "unavailable", "database": database, "queue": queue},
            200 if ready else 503,
        )

    for path, endpoint in zip(HEALTH_PATHS, (healthz, readyz), strict=True):
        app.add_api_route(path, endpoint, include_in_schema=False)


async def _redirect_to_explorer() -> RedirectResponse:
    """A browser that was given the bare address finds the explorer."""
    return RedirectResponse(GRAPHQL_PATH)
