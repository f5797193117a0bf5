"""The server as an ASGI application: every route of it."""

import gc
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse

from models.errors import Unavailable
from providers.port import Provider
from schema.context import Context
from server import rest
from server.callbacks import callback_routes
from server.explorer import explorer_response, mount_explorer
from server.media import media_route
from server.parts import Parts
from server.providers import configured
from server.schema import executable_schema
from server.settings import VERSION, Profile, Settings
from server.transports import graphql_router

log = logging.getLogger(__name__)


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
    parts = Parts(settings, chosen, renders=renders)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        await parts.start()
        # What exists now lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            await parts.stop()

    app = FastAPI(title="Scenewire", version=VERSION, lifespan=lifespan, docs_url="/api/docs", redoc_url=None)
    app.state.parts = parts
    _add_health(app, parts)
    if answers:
        _add_api(app, parts)
        app.router.routes.extend(callback_routes(chosen, settings))
    return app


def _add_api(app: FastAPI, parts: Parts) -> None:
    async def context(_connection: HTTPConnection) -> Context:
        return parts.context()

    app.include_router(
        graphql_router(
            executable_schema(),
            context=context,
            connections=parts.connections,
            get_queries=parts.settings.profile is Profile.DEVELOPMENT,
            explorer=lambda _request: explorer_response(),
        )
    )
    app.include_router(rest.router(parts.context))
    rest.answer_errors(app)
    app.router.routes.append(media_route(parts.media))
    mount_explorer(app)


def _add_health(app: FastAPI, parts: Parts) -> None:
    async def healthz() -> JSONResponse:
        """The process is alive."""
        return JSONResponse({"status": "ok"})

    async def readyz() -> JSONResponse:
        """The database answers and the queue hands out work."""
        try:
            await parts.database.ping()
            database = True
        except Unavailable as away:
            log.warning("not ready: %s (%s)", away, away.__cause__, extra={"action": "readyz"})
            database = False
        queue = parts.coordinator.running or not parts.renders
        ready = database and queue
        return JSONResponse(
            {"status": "ok" if ready else "unavailable", "database": database, "queue": queue},
            200 if ready else 503,
        )

    async def front_door() -> RedirectResponse:
        """A browser that was given the bare address finds the explorer."""
        return RedirectResponse("/graphql")

    for path, endpoint in (("/healthz", healthz), ("/readyz", readyz), ("/", front_door)):
        app.add_api_route(path, endpoint, include_in_schema=False)
