"""How late the event loop runs what is due: the time for which everything else in the process waits too."""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from server.telemetry.histogram import Histogram

INTERVAL_SECONDS: Final = 0.5
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class LoopLag(Collector):
    """Measures the delay of a timer, twice a second."""

    def __init__(self) -> None:
        self._seconds = Histogram(BOUNDS)
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0

    def start(self) -> None:
        """Measure until `stop`."""
        self._due_at = time.monotonic() + INTERVAL_SECONDS
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_SECONDS, self._measure)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def collect(self) -> Iterator[Metric]:
        """Yield the values."""
        lag = HistogramMetricFamily(
            "scenewire_loop_lag_seconds", "Seconds by which a timer of the event loop was late, twice a second."
        )
        lag.add_metric([], self._seconds.buckets, self._seconds.total)
        yield lag

    def _measure(self) -> None:
        self._seconds.observe(max(0.0, time.monotonic() - self._due_at))
        self.start()
