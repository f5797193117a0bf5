"""The composition root: the only place that picks implementations. Importing it creates nothing."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from coordinator.assets.commands import AssetPolicy
from coordinator.assets.input_files import InputFiles
from coordinator.bus.port import LocalBus
from coordinator.commands.adoption import AdoptionPolicy
from coordinator.commands.catalogue import Catalogue
from coordinator.commands.policy import JobPolicy
from coordinator.coordinator import Coordinator
from coordinator.dispatcher import Dispatcher
from coordinator.leases.catalogue import LeasedModels
from coordinator.live.hub import Hub
from coordinator.queue.embedded import EmbeddedQueue
from coordinator.queue.port import Concurrency, Queue
from coordinator.renders import adoptions
from coordinator.renders.adoptions import Adoptions
from coordinator.renders.deps import RenderDeps
from coordinator.renders.inspections import Inspections
from coordinator.renders.limits import Limits
from coordinator.renders.pool import RunningRenders
from coordinator.storage.media import MediaStore
from coordinator.storage.retention import Retention
from coordinator.tasks import Stop
from coordinator.webhooks.deliverer import DeliveryDeps
from coordinator.webhooks.http_client import HttpClient, Policy
from coordinator.webhooks.signing import Secrets
from models import migrations
from models.db.unavailable import translate_errors
from models.domain.access import LEASED, Viewer
from models.domain.quota import Rate
from models.lazy_import import lazily
from models.writes.audit import AuditContext
from models.writes.store import Store
from providers.port import Provider
from schema.context import Context, ServerFacts, never_gone
from server import keys
from server.auth.authenticator import Authenticator
from server.auth.sessions import Sessions
from server.database.database_setup import opened
from server.limits.rates import Rates
from server.media.signed_urls import SignedUrls
from server.settings import Settings, as_wrong_setting
from server.telemetry.work import work_telemetry
from server.transports.connections.registry import Connections
from server.version import VERSION

if TYPE_CHECKING:
    from coordinator.bus import listener
    from coordinator.bus import postgres as postgres_bus
    from coordinator.queue import postgres as postgres_queue
    from server.telemetry import registry
else:
    listener = lazily("coordinator.bus.listener")
    postgres_bus = lazily("coordinator.bus.postgres")
    postgres_queue = lazily("coordinator.queue.postgres")
    registry = lazily("server.telemetry.registry")

# The limit of a stop after the renders were handed over.
STOP_SECONDS = 3.5


class Container:
    """The parts of a running server or worker."""

    def __init__(self, settings: Settings, providers: Mapping[str, Provider], *, renders: bool = True) -> None:
        """Raises WrongSettings for a database URL, media URL or secret key that cannot be used."""
        self.settings = settings
        self.renders = renders
        self._started = False
        with as_wrong_setting("DATABASE_URL"):
            self.database = opened(settings)
        with as_wrong_setting("MEDIA_URL"):
            self.media = MediaStore(settings.media_url)
        concurrency = Concurrency(
            settings.render_concurrency,
            {name: settings.provider_concurrency.get(name, 0) for name in providers},
        )
        arguments = self.database.connect_arguments
        self._listener = None if self.database.embedded else listener.Listener(arguments("listener"))
        self._postgres_bus = None if self._listener is None else postgres_bus.PostgresBus(self._listener)
        self.bus = self._postgres_bus or LocalBus()
        self.telemetry = work_telemetry()
        dispatcher = Dispatcher(self._queue(concurrency), self.bus, RunningRenders(), self.telemetry)
        self.store = Store(self.database, dispatcher)
        self.connections = Connections()
        self.sessions = Sessions(self.connections, self.store)
        self.rates = Rates(settings.rate_limits)
        self.metrics = registry.Metrics() if settings.exposes_metrics else None
        """Collected only where they are exposed."""
        if self.metrics is not None:
            self.telemetry.count_in(self.metrics, self.store)
        self.authenticator = Authenticator(settings, self.store, self.sessions, self.rates.failed_login)
        self.bus.listen(self.authenticator.access_tokens.on_message)
        self.signed_urls = SignedUrls(settings)
        self.catalogue = Catalogue(providers, [LeasedModels(self.store)])
        self.hub = Hub(self.store, self.bus)
        self.coordinator = self._coordinator(dispatcher, providers)
        self.facts = self._facts(concurrency)

    def _queue(self, concurrency: Concurrency) -> Queue:
        if self._listener is None:
            return EmbeddedQueue(concurrency)
        return postgres_queue.PostgresQueue(self.database, self._listener, concurrency, self.settings.lease_seconds)

    def _coordinator(self, dispatcher: Dispatcher, providers: Mapping[str, Provider]) -> Coordinator:
        settings = self.settings
        limits = Limits(
            settings.render_deadline_seconds, settings.retry_first_seconds, max_attempts=settings.max_attempts
        )
        # The renders of the only process are taken over at its start, without waiting for a lease to expire.
        lease = timedelta(seconds=0.0 if self.database.embedded else settings.lease_seconds)
        delivery_deps = self._delivery_deps()
        return Coordinator(
            RenderDeps(
                self.store,
                self.bus,
                self.media,
                providers,
                Inspections(codec=settings.video_codec),
                self._adoptions(delivery_deps.http),
                limits,
                lease,
                self.catalogue,
                InputFiles(self.store, self.media, self.signed_urls.from_outside),
                telemetry=self.telemetry,
            ),
            dispatcher,
            delivery_deps,
            default_provider=settings.provider,
            policy=JobPolicy(
                settings.max_attempts,
                timedelta(seconds=settings.recovery_window_seconds),
                Rate(settings.regenerates_an_hour, settings.regenerate_burst),
                AdoptionPolicy(settings.adopt_outputs, http=not settings.production),
            ),
            log_retention=Retention(
                settings.event_retention_versions, timedelta(seconds=settings.event_retention_seconds)
            ),
            audit_kept=timedelta(seconds=settings.audit_retention_seconds),
            external_deadline=timedelta(seconds=settings.external_deadline_seconds),
            asset_policy=AssetPolicy(
                settings.asset_max_bytes,
                settings.uploads_per_owner,
                timedelta(seconds=settings.upload_seconds),
                timedelta(seconds=settings.recovery_window_seconds),
                settings.direct_uploads,
            ),
            leases_at_once=settings.provider_concurrency.get(LEASED, 0),
        )

    def _adoptions(self, http: HttpClient) -> Adoptions:
        settings = self.settings
        return Adoptions(
            http,
            settings.adopt_max_bytes,
            min(adoptions.LONGEST_SECONDS, settings.render_deadline_seconds),
            min(adoptions.PAUSE_SECONDS, settings.retry_first_seconds),
            min(adoptions.GIVE_UP_AFTER_SECONDS, settings.render_deadline_seconds * adoptions.SHARE_OF_DEADLINE),
        )

    def _facts(self, concurrency: Concurrency) -> ServerFacts:
        embedded, settings = self.database.embedded, self.settings
        return ServerFacts(
            version=VERSION,
            mode="embedded" if embedded else "distributed",
            event_retention_seconds=settings.event_retention_seconds,
            recovery_window_seconds=settings.recovery_window_seconds,
            public_url=settings.address,
            renders_at_once=_renders_at_once(concurrency) if embedded else {},
        )

    def _delivery_deps(self) -> DeliveryDeps:
        local = not self.settings.production
        with as_wrong_setting("SECRET_KEY"):
            secrets = Secrets(keys.derived(self.settings, "webhooks"))
        return DeliveryDeps(
            secrets,
            HttpClient(Policy(http=local, loopback=local)),
            self.media_url,
            timedelta(seconds=self.settings.webhook_retry_first_seconds),
            self.telemetry,
        )

    def context(
        self,
        viewer: Viewer,
        request_id: str = "",
        public_path: str = "",
        is_gone: Callable[[], Awaitable[bool]] = never_gone,
    ) -> Context:
        """Return the context of one operation of this viewer, who reaches the server under `public_path`."""
        return Context(
            viewer=viewer,
            audit=AuditContext(request_id),
            store=self.store,
            coordinator=self.coordinator,
            hub=self.hub,
            facts=self.facts,
            buffered_events=self.settings.subscriber_events,
            link=self.signed_urls.under(public_path),
            request_id=request_id,
            is_gone=is_gone,
        )

    @property
    def open_connections(self) -> int:
        """The number of open websockets and event streams."""
        return len(self.connections)

    @property
    def refused(self) -> Counter[str]:
        """How often each rate limit was exceeded."""
        return self.rates.refused

    def media_url(self, key: str) -> str:
        """Return the URL of a stored file, for payloads outside of an operation, such as webhooks."""
        return self.signed_urls(key).url

    async def start(self) -> None:
        """Migrate an embedded database, then start the background tasks: resume renders, feeds, token checks.

        Idempotent. Raises Unavailable.
        """
        if self._started:
            return
        self._started = True
        if self.database.embedded:
            with translate_errors():
                await migrations.upgrade(self.database)
        if self._listener is not None:
            await self._listener.start()
        if self._postgres_bus is not None:
            await self._postgres_bus.start()
        await self.hub.start()
        await self.sessions.start()
        await self.authenticator.access_tokens.start()
        await self.coordinator.start(renders=self.renders)

    async def stop(self) -> None:
        """Stop the background tasks, leave running renders to the next process, and close the database.

        Each part has a time limit; one that does not stop is logged, and ends with the process.
        """
        await self.coordinator.hand_over()
        limit = Stop(STOP_SECONDS)
        await asyncio.gather(
            limit.part("sessions", self.sessions.stop()),
            limit.part("token keys", self.authenticator.close()),
            limit.part("access tokens", self.authenticator.access_tokens.stop()),
            limit.part("live streams", self.hub.stop()),
        )
        await self.coordinator.stop(limit)
        if self._postgres_bus is not None:
            await limit.part("bus", self._postgres_bus.stop())
        if self._listener is not None:
            await limit.part("listener", self._listener.stop())
        await limit.part("database", self.database.close())
        await limit.part("traces", self.telemetry.close())


def _renders_at_once(concurrency: Concurrency) -> dict[str, int]:
    """Return the number of concurrent renders of each provider in a single process."""
    limits = concurrency.of_provider.items()
    return {name: min(limit, concurrency.here) if limit else concurrency.here for name, limit in limits}
