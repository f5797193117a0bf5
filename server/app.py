"""The composition root: the only place that picks implementations. Nothing is built at import."""

import gc
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse

from coordinator.bus import LocalBus
from coordinator.coordinator import Coordinator
from coordinator.dispatch import EmbeddedQueue
from coordinator.hub import Hub
from coordinator.media import MediaStore
from coordinator.render import Limits, Tools
from coordinator.retention import Retention
from models import migrations
from models.access import LOCAL
from models.database import Database
from models.store import Store
from providers.local import LocalProvider
from providers.port import Provider
from providers.scripted import ScriptedProvider
from schema.context import Context, ServerFacts
from server import rest
from server.explorer import explorer_response, mount_explorer
from server.media import media_route
from server.schema import executable_schema
from server.settings import VERSION, Profile, Settings
from server.transports import Connections, graphql_router

log = logging.getLogger(__name__)


class Parts:
    """What a running server consists of."""

    def __init__(self, settings: Settings, providers: Mapping[str, Provider] | None = None) -> None:
        self.settings = settings
        self.database = Database(settings.database_url)
        self.store = Store(self.database)
        self.bus = LocalBus()
        self.media = MediaStore(settings.media_url)
        self.hub = Hub(self.store, self.bus)
        self.connections = Connections()
        limits = Limits(settings.render_deadline_seconds, settings.retry_first_seconds)
        chosen = _providers(settings) if providers is None else providers
        self.coordinator = Coordinator(
            Tools(self.store, self.bus, self.media, chosen, limits),
            EmbeddedQueue(settings.render_concurrency),
            default_provider=settings.provider,
            max_attempts=settings.max_attempts,
            recovery_window=timedelta(seconds=settings.recovery_window_seconds),
            log_retention=Retention(
                settings.event_retention_versions, timedelta(seconds=settings.event_retention_seconds)
            ),
        )
        self.facts = ServerFacts(
            version=VERSION,
            mode="embedded" if self.database.embedded else "distributed",
            event_retention_seconds=settings.event_retention_seconds,
            recovery_window_seconds=settings.recovery_window_seconds,
            public_url=settings.address,
            render_concurrency=settings.render_concurrency,
        )

    def context(self) -> Context:
        """What one operation has at hand."""
        return Context(
            viewer=LOCAL,
            store=self.store,
            coordinator=self.coordinator,
            hub=self.hub,
            facts=self.facts,
            buffered_events=self.settings.subscriber_events,
        )

    async def start(self) -> None:
        """Migrate, take up what the last process left, and render from now on."""
        await migrations.upgrade(self.database)
        await self.hub.start()
        await self.coordinator.start()

    async def stop(self) -> None:
        """Abandon renders, stop every reader, close the database."""
        await self.hub.stop()
        await self.coordinator.stop()
        await self.database.close()


def create_app(settings: Settings, *, providers: Mapping[str, Provider] | None = None) -> FastAPI:
    """The server as an ASGI application. `providers` replaces the configured ones, for tests."""
    parts = Parts(settings, providers)

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

    async def context(_connection: HTTPConnection) -> Context:
        return parts.context()

    app = FastAPI(title="Scenewire", version=VERSION, lifespan=lifespan, docs_url="/api/docs", redoc_url=None)
    app.state.parts = parts
    app.include_router(
        graphql_router(
            executable_schema(),
            context=context,
            connections=parts.connections,
            get_queries=settings.profile is Profile.DEVELOPMENT,
            explorer=lambda _request: explorer_response(),
        )
    )
    app.include_router(rest.router(parts.context))
    rest.answer_errors(app)
    app.router.routes.append(media_route(parts.media))
    mount_explorer(app)
    _add_health(app, parts)
    return app


def _add_health(app: FastAPI, parts: Parts) -> None:
    async def healthz() -> JSONResponse:
        """The process is alive."""
        return JSONResponse({"status": "ok"})

    async def readyz() -> JSONResponse:
        """The database answers and the queue hands out work."""
        try:
            await parts.database.ping()
            database = True
        except Exception:
            log.warning("database does not answer", exc_info=True, extra={"action": "readyz"})
            database = False
        queue = parts.coordinator.running
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


def _providers(settings: Settings) -> dict[str, Provider]:
    providers: dict[str, Provider] = {"local": LocalProvider(settings.local_width, settings.local_height)}
    if settings.profile is Profile.DEVELOPMENT:
        providers["scripted"] = ScriptedProvider()
    return providers
