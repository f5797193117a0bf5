"""Stored instants that something waits for, such as the end of a lease or of a pause. Pure."""

from datetime import datetime, timedelta


def ahead(instant: datetime | None, now: datetime, longest: timedelta) -> timedelta:
    """Return how far an instant lies ahead of now; zero when there is none or it is reached.

    An instant further ahead than `longest`, the longest time that it is ever set ahead, counts as reached: the clock
    has gone back since it was stored.
    """
    left = timedelta() if instant is None else instant - now
    return left if timedelta() < left <= longest else timedelta()
