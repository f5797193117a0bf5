"""The metrics of one process, and the text in which Prometheus reads them.

Imported only where metrics are exposed (`TelemetrySettings.exposes_metrics`).
"""

import asyncio
import logging
import platform
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

import prometheus_client
from prometheus_client import CollectorRegistry, Gauge, Metric, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from server.version import VERSION

log = logging.getLogger(__name__)

REFRESH_SECONDS: Final = 3.0
"""How long a scrape waits for what has to be read for it; then it shows what was read last."""

Refresh = Callable[[], Awaitable[None]]


class Exposition(NamedTuple):
    """The values of all metrics at one moment."""

    body: bytes
    media_type: str


class _Collected(Collector):
    """The values of all metrics at one moment, for another thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._families = list(registry.collect())

    def collect(self) -> Iterable[Metric]:
        """Return the values."""
        return self._families


class Metrics:
    """The metrics of one process. Names begin with `scenewire_`, but for those of the process itself."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        info = Gauge(
            "scenewire_build_info",
            "Always 1, with the versions of the program and of Python.",
            ["version", "python"],
            registry=self.registry,
        )
        info.labels(VERSION, platform.python_version()).set(1)
        self._refreshes: list[Refresh] = []

    def before_scrape(self, refresh: Refresh) -> None:
        """Call this before each scrape, for what is read from elsewhere. It is canceled after REFRESH_SECONDS."""
        self._refreshes.append(refresh)

    async def expose(self, accept: str = "") -> Exposition:
        """Return the values in the format that this Accept header prefers."""
        await asyncio.gather(*map(_refreshed, self._refreshes))
        encode, media_type = choose_encoder(accept)
        # With a hundred names of operations the text takes 45 ms, for which nothing else in the process should wait.
        collected = _Collected(self.registry)
        return Exposition(await asyncio.to_thread(encode, collected), media_type)


async def _refreshed(refresh: Refresh) -> None:
    """Refresh some values; when that fails the scrape shows the earlier ones."""
    try:
        async with asyncio.timeout(REFRESH_SECONDS):
            await refresh()
    except Exception as error:
        log.warning("Metrics were not refreshed: %r", error, extra={"action": "metrics.stale"})
