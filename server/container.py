"""The composition root: the only place that picks implementations. Nothing is built at import."""

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from datetime import timedelta

from coordinator.bus.listener import Listener
from coordinator.bus.port import LocalBus
from coordinator.bus.postgres import PostgresBus
from coordinator.commands.policy import JobPolicy
from coordinator.coordinator import Coordinator
from coordinator.dispatcher import Dispatcher
from coordinator.live.hub import Hub
from coordinator.queue import postgres
from coordinator.queue.embedded import EmbeddedQueue
from coordinator.queue.port import Concurrency, Queue
from coordinator.queue.postgres import PostgresQueue
from coordinator.renders.pool import RunningRenders
from coordinator.renders.render import Limits, RenderDeps
from coordinator.storage.media import MediaStore
from coordinator.storage.retention import Retention
from coordinator.webhooks.deliverer import DeliveryDeps
from coordinator.webhooks.http_client import HttpClient, Policy
from coordinator.webhooks.signing import Secrets
from models import migrations
from models.db.database import Database
from models.domain.access import Viewer
from models.domain.quota import Rate
from models.writes.audit import AuditContext
from models.writes.store import Store
from providers.port import Provider
from schema.context import Context, ServerFacts
from server import keys
from server.auth.authenticator import Authenticator
from server.auth.sessions import Sessions
from server.rates import Rates
from server.settings import PREFIX, VERSION, Settings, WrongSettings
from server.signed_urls import SignedUrls
from server.transports import Connections

# The key of the advisory lock that whoever migrates holds.
MIGRATING = 0x5CE9E


class Container:
    """What a running server or worker consists of."""

    def __init__(self, settings: Settings, providers: Mapping[str, Provider], *, renders: bool = True) -> None:
        self.settings = settings
        with _required_setting("DATABASE_URL"):
            self.database = Database(settings.database_url)
        with _required_setting("MEDIA_URL"):
            self.media = MediaStore(settings.media_url)
        self._listener: Listener | None = None
        concurrency = Concurrency(
            settings.render_concurrency,
            {name: settings.provider_concurrency.get(name, 0) for name in providers},
        )
        queue: Queue
        self.bus: LocalBus | PostgresBus
        if self.database.embedded:
            self.bus, queue, lease = LocalBus(), EmbeddedQueue(concurrency), 0.0
        else:
            self._listener = Listener(self.database.connect_arguments("listener"))
            lease = settings.lease_seconds
            self.bus = PostgresBus(self._listener)
            queue = PostgresQueue(self.database, self._listener, concurrency, lease)
        dispatcher = Dispatcher(queue, self.bus, RunningRenders())
        self.store = Store(self.database, dispatcher)
        self.connections = Connections()
        self.sessions = Sessions(self.connections, self.store)
        self.rates = Rates(settings.rate_limits)
        self.authenticator = Authenticator(settings, self.store, self.sessions, self.rates.failed_login)
        self.signed_urls = SignedUrls(settings)
        self.renders = renders
        self.hub = Hub(self.store, self.bus)
        limits = Limits(
            settings.render_deadline_seconds, settings.retry_first_seconds, max_attempts=settings.max_attempts
        )
        self.coordinator = Coordinator(
            RenderDeps(self.store, self.bus, self.media, providers, limits, timedelta(seconds=lease)),
            dispatcher,
            self._delivery_deps(),
            default_provider=settings.provider,
            policy=JobPolicy(
                settings.max_attempts,
                timedelta(seconds=settings.recovery_window_seconds),
                Rate(settings.regenerates_an_hour, settings.regenerate_burst),
            ),
            log_retention=Retention(
                settings.event_retention_versions, timedelta(seconds=settings.event_retention_seconds)
            ),
            audit_kept=timedelta(seconds=settings.audit_retention_seconds),
        )
        self.facts = ServerFacts(
            version=VERSION,
            mode="embedded" if self.database.embedded else "distributed",
            event_retention_seconds=settings.event_retention_seconds,
            recovery_window_seconds=settings.recovery_window_seconds,
            public_url=settings.address,
            renders_at_once=_at_once(concurrency) if self.database.embedded else {},
        )

    def _delivery_deps(self) -> DeliveryDeps:
        local = not self.settings.production
        with _required_setting("SECRET_KEY"):
            secrets = Secrets(keys.derived(self.settings, "webhooks"))
        return DeliveryDeps(
            secrets,
            HttpClient(Policy(http=local, loopback=local)),
            self.media_url,
            timedelta(seconds=self.settings.webhook_retry_first_seconds),
        )

    def context(self, viewer: Viewer, request_id: str = "") -> Context:
        """What one operation of this viewer has at hand."""
        return Context(
            viewer=viewer,
            audit=AuditContext(request_id),
            store=self.store,
            coordinator=self.coordinator,
            hub=self.hub,
            facts=self.facts,
            buffered_events=self.settings.subscriber_events,
            link=self.signed_urls,
            request_id=request_id,
        )

    def media_url(self, key: str) -> str:
        """The address of a stored file, for those who tell of it outside of an operation."""
        return self.signed_urls(key).url

    async def start(self) -> None:
        """Take up what the last process left, and render from now on; an embedded database is brought up to date."""
        if self.database.embedded:
            await migrations.upgrade(self.database)
        if self._listener is not None:
            await self._listener.start()
        if isinstance(self.bus, PostgresBus):
            await self.bus.start()
        await self.hub.start()
        await self.sessions.start()
        await self.coordinator.start(renders=self.renders)

    async def stop(self) -> None:
        """Abandon renders, stop every reader, close the database."""
        await self.sessions.stop()
        await self.authenticator.close()
        await self.hub.stop()
        await self.coordinator.stop()
        if isinstance(self.bus, PostgresBus):
            await self.bus.stop()
        if self._listener is not None:
            await self._listener.stop()
        await self.database.close()


def _at_once(concurrency: Concurrency) -> dict[str, int]:
    """How many renders of each provider a single process does side by side."""
    limits = concurrency.of_provider.items()
    return {name: min(limit, concurrency.here) if limit else concurrency.here for name, limit in limits}


@contextmanager
def _required_setting(name: str) -> Generator[None]:
    """What cannot be opened is a setting that cannot be used."""
    try:
        yield
    except Exception as error:
        raise WrongSettings(f"{PREFIX}{name}: {str(error).splitlines()[0]}") from error


def check_opens(settings: Settings) -> None:
    """Raise WrongSettings when the file of an embedded database cannot be opened or made, or is none."""
    with _required_setting("DATABASE_URL"):
        path = Database(settings.database_url).url.database
        with closing(sqlite3.connect(path or ":memory:")) as connection:
            connection.execute("PRAGMA schema_version")


async def check_migrated(settings: Settings) -> None:
    """Raise WrongSettings when `migrate` has to be run first, Unavailable when the database does not answer."""
    database = Database(settings.database_url)
    try:
        await database.ping()
        found, expected = await migrations.current(database), migrations.newest()
        queue_ready = found == expected and await postgres.is_installed(database)
    finally:
        await database.close()
    if not queue_ready:
        raise WrongSettings(
            f"SCENEWIRE_DATABASE_URL: the database is at revision {found or 'none'} and this program needs "
            f"{expected}; run: python -m server migrate"
        )


async def migrate(database: Database) -> bool:
    """Bring the database up to date, the queue's tables included; whether there was anything to do."""
    if database.embedded:
        return await migrations.upgrade(database)
    async with database.connect(database.maintenance) as lock_holder:
        # One at a time, however many are started at once. The lock goes with the connection.
        await lock_holder.exec_driver_sql(f"SELECT pg_advisory_lock({MIGRATING})")
        changed = await migrations.upgrade(database)
        return await postgres.install(database) or changed
