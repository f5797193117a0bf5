"""Stored instants that something waits for, such as the end of a lease or of a pause. Pure."""

from datetime import datetime, timedelta

# How much later than it reads the clock a transaction may compare an instant: meanwhile it waits for a row lock, and
# another transaction sets the instant by a later clock. More than the limits of such a wait in models/db/engines.py.
SLACK = timedelta(seconds=5)


def ahead(instant: datetime | None, now: datetime, longest: timedelta) -> timedelta:
    """Return how far an instant lies ahead of now; zero when there is none or it is reached.

    An instant further ahead than `longest`, the longest time that it is ever set ahead, and SLACK counts as reached:
    the clock has gone back since it was stored. The result is at most `longest`.
    """
    left = timedelta() if instant is None else instant - now
    return min(left, longest) if timedelta() < left <= longest + SLACK else timedelta()
