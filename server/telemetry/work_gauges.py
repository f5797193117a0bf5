"""Gauges of what waits, read from the database when Prometheus asks. Every process shows the same values."""

import asyncio
import time
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from models import migrations
from models.db import clock
from models.db.pool_use import pool_use
from models.reads.backlog import Backlog, backlog
from models.writes.store import Store
from server.telemetry.registry import Metrics

# How long values are shown again: scrapes of many processes cost the database little.
CACHE_SECONDS: Final = 10.0


class WorkGauges:
    """Reads the backlog at most once in CACHE_SECONDS."""

    def __init__(self, metrics: Metrics, store: Store) -> None:
        registry = metrics.registry
        self._store = store
        self._read_at: float | None = None
        # Of scrapes at the same time, one reads.
        self._reading = asyncio.Lock()
        self._waiting = Gauge(
            "scenewire_queue_takes", "Takes of started jobs that wait.", ["provider"], registry=registry
        )
        self._oldest = Gauge(
            "scenewire_queue_oldest_seconds",
            "How long the oldest take has been waiting; of more than 10,000 takes, those with the highest priority.",
            ["provider"],
            registry=registry,
        )
        self._rendering = Gauge(
            "scenewire_takes_rendering", "Takes that are rendered now.", ["provider"], registry=registry
        )
        self._leases = Gauge("scenewire_leases_held", "Takes that workers have leased.", registry=registry)
        self._deliveries = Gauge(
            "scenewire_webhook_backlog",
            "Deliveries to webhooks that are not accepted yet, up to 10,000.",
            registry=registry,
        )
        self._oldest_delivery = Gauge(
            "scenewire_webhook_oldest_seconds", "The age of the oldest event among them.", registry=registry
        )
        self._revision = Gauge(
            "scenewire_database_revision",
            "Always 1, with the revision of the database and the one that this program needs.",
            ["revision", "needed"],
            registry=registry,
        )
        self._show_pools(registry)
        metrics.before_scrape(self.refresh)

    def _show_pools(self, registry: CollectorRegistry) -> None:
        """Add the use of connections, which is looked at when Prometheus asks."""
        database = self._store.database
        busy = Gauge(
            "scenewire_database_connections_busy",
            "Connections of this process to the database that are in use.",
            ["pool"],
            registry=registry,
        )
        limit = Gauge(
            "scenewire_database_connections_limit", "The most that there can be.", ["pool"], registry=registry
        )
        for index, each in enumerate(pool_use(database)):
            busy.labels(each.pool).set_function(lambda index=index: pool_use(database)[index].busy)
            limit.labels(each.pool).set(each.limit)

    async def refresh(self) -> None:
        """Read the values again, unless they are new. Raises Unavailable."""
        async with self._reading:
            now = time.monotonic()
            if self._read_at is not None and now - self._read_at < CACHE_SECONDS:
                return
            async with self._store.read() as connection:
                found, instant = await backlog(connection), await clock.current(connection)
            revision = await migrations.current(self._store.database)
            self._show(found, instant)
            self._revision.clear()
            self._revision.labels(revision or "none", migrations.newest()).set(1)
            self._read_at = now

    def _show(self, found: Backlog, instant: datetime) -> None:
        for gauge in (self._waiting, self._oldest, self._rendering):
            # A provider without work has no value.
            gauge.clear()
        for provider, waiting in found.waiting.items():
            self._waiting.labels(provider).set(waiting)
            self._rendering.labels(provider).set(found.rendering[provider])
            self._oldest.labels(provider).set(_age(found.oldest.get(provider), instant))
        self._leases.set(found.leases)
        self._deliveries.set(found.deliveries)
        self._oldest_delivery.set(_age(found.oldest_delivery, instant))


def _age(since: datetime | None, instant: datetime) -> float:
    return 0.0 if since is None else max(0.0, (instant - since).total_seconds())
