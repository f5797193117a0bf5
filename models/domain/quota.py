"""How often something may be done: a bucket that every use takes from and that time fills again. Pure.

The generic cell rate algorithm (ITU-T I.371): all there is to keep is the instant at which the bucket is full again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

# What is said of a quota that has no limit: the largest number that GraphQL's Int holds.
WITHOUT_LIMIT = 2**31 - 1


class Quota(NamedTuple):
    """How many uses there are at most, how many are left now, and when all of them are there again."""

    limit: int
    remaining: int
    reset_at: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """So many uses an hour, up to `burst` of them at once; 0 an hour means as many as one likes."""

    an_hour: int
    burst: int

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.an_hour > 0

    @property
    def each(self) -> timedelta:
        """How long it takes until one use is there again."""
        return timedelta(hours=1) / self.an_hour

    def after(self, full_at: datetime, now: datetime, uses: int = 1) -> datetime:
        """When the bucket is full again after so many uses now."""
        return max(full_at, now) + uses * self.each

    def wait(self, full_at: datetime, now: datetime, uses: int = 1) -> timedelta:
        """How long to wait for so many uses at once, no more than `burst`; nothing when they are there."""
        return max(timedelta(), self.after(full_at, now, uses) - now - self.burst * self.each)

    def quota(self, full_at: datetime | None, now: datetime) -> Quota:
        """Where a bucket stands; None is one that nobody has used yet."""
        if not self.limited:
            return Quota(WITHOUT_LIMIT, WITHOUT_LIMIT, now)
        reset_at = max(full_at or now, now)
        return Quota(self.burst, max(0, self.burst + (now - reset_at) // self.each), reset_at)
