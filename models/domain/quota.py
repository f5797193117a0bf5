"""Rate limits: a token bucket that each use takes from and that time refills. Pure.

The generic cell rate algorithm (ITU-T I.371): the only state is the instant at which the bucket is full again. An
instant further ahead than the refill of an empty bucket was stored before the clock went back, or by a larger burst
size; the bucket counts as full then.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from models.domain.instants import ahead

# Reported as the limit of an unlimited quota: the largest GraphQL Int.
UNLIMITED = 2**31 - 1


class Quota(NamedTuple):
    """The burst size, the uses left now, and the instant at which all of them are available again."""

    limit: int
    remaining: int
    reset_at: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """Permitted uses per hour, up to `burst` of them at once; `per_hour` 0 means unlimited."""

    per_hour: int
    burst: int

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.per_hour > 0

    @property
    def interval(self) -> timedelta:
        """The time in which one use is refilled."""
        return timedelta(hours=1) / self.per_hour

    def after(self, full_at: datetime, now: datetime, uses: int = 1) -> datetime:
        """Return when the bucket is full again after this many uses now."""
        return now + self._used(full_at, now) + uses * self.interval

    def wait(self, full_at: datetime, now: datetime, uses: int = 1) -> timedelta:
        """Return how long to wait for this many uses at once, at most `burst`; zero when they are available."""
        return max(timedelta(), self.after(full_at, now, uses) - now - self.burst * self.interval)

    def quota(self, full_at: datetime | None, now: datetime) -> Quota:
        """Return the state of a bucket; None is one that was never used."""
        if not self.limited:
            return Quota(UNLIMITED, UNLIMITED, now)
        used = self._used(full_at, now)
        return Quota(self.burst, max(0, self.burst + -used // self.interval), now + used)

    def _used(self, full_at: datetime | None, now: datetime) -> timedelta:
        """Return the time in which the bucket is full again."""
        return ahead(full_at, now, self.burst * self.interval)
