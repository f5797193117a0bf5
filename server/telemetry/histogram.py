"""Histograms that one thread fills: they need no lock, which would cost more than counting."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

FAST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""The bounds of what a user waits for."""


class Histogram:
    """Counts observations by the least bound that they do not exceed."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float] = FAST_SECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        """The sum of all observations."""

    def observe(self, value: float, times: int = 1) -> None:
        """Count an observation, or several equal ones."""
        self._counts[bisect_left(self._bounds, value)] += times
        self.total += value * times

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """The cumulated counts by their bounds, as `HistogramMetricFamily.add_metric` takes them."""
        cumulated, seen = list[tuple[str, float]](), 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            seen += count
            cumulated.append((bound, seen))
        return cumulated
