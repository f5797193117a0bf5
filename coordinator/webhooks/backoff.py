"""What follows from a try to tell a webhook: what is written down, and whether and when there is another. Pure."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from models.db.rows import DeliveryRow
from models.domain.events import DeliveryStatus

# What is not taken within a day is given up, and a webhook of which nothing was taken for a day is switched off.
PATIENCE = timedelta(hours=24)
BACKOFF_FACTOR = 4
LONGEST_BACKOFF = timedelta(hours=6)
# Each pause is longer or shorter by up to so much of itself, so that what failed together does not come again together.
JITTER = 0.2
# Of many tries, which only somebody who redelivers again and again comes to, the newest are kept.
ATTEMPTS_KEPT = 50

GONE = 410
_SAYS_WHEN = (429, 503)


class Attempt(NamedTuple):
    """One try: when, what was answered, how long it took, and a word for what went wrong."""

    at: datetime
    response_status: int | None
    duration_ms: int
    error: str | None
    retry_after: str | None = None

    def stored(self) -> dict[str, Any]:
        """As the delivery keeps it."""
        return {
            "at": self.at.isoformat(),
            "response_status": self.response_status,
            "duration_ms": self.duration_ms,
            "error": self.error,
        }


def error_kind(status: int) -> str | None:
    """What is wrong with the status of an answer; nothing with 2xx. Redirects are not followed."""
    if 200 <= status < 300:
        return None
    return "REDIRECT" if 300 <= status < 400 else "STATUS"


def after(delivery: DeliveryRow, attempt: Attempt, first_backoff: timedelta, now: datetime) -> dict[str, Any]:
    """The columns of a delivery after a try that ended now."""
    values: dict[str, Any] = {
        "attempts": [*delivery.attempts, attempt.stored()][-ATTEMPTS_KEPT:],
        "leased_by": None,
        "lease_expires_at": None,
    }
    if attempt.error is None:
        return values | _over(DeliveryStatus.SUCCEEDED, now)
    values |= {"failures": delivery.failures + 1, "failing_since": delivery.failing_since or now}
    last = values["failing_since"] + PATIENCE
    if delivery.is_test or attempt.response_status == GONE or now >= last:
        return values | _over(DeliveryStatus.EXHAUSTED, now)
    pause = max(_backoff(delivery.failures, first_backoff), _asked_for(attempt, now))
    return values | {"status": DeliveryStatus.FAILED, "next_attempt_at": min(now + pause, last)}


def _over(status: DeliveryStatus, now: datetime) -> dict[str, Any]:
    return {"status": status, "next_attempt_at": None, "finished_at": now}


def _backoff(failures: int, first: timedelta) -> timedelta:
    pause = min(first * BACKOFF_FACTOR ** min(failures, 16), LONGEST_BACKOFF)
    return pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 # spreads load, keeps no secret


def _asked_for(attempt: Attempt, now: datetime) -> timedelta:
    """What Retry-After asks for, in seconds or as a date (RFC 9110 section 10.2.3), up to the longest pause of ours."""
    text = (attempt.retry_after or "").strip()
    if attempt.response_status not in _SAYS_WHEN or not text:
        return timedelta(0)
    if text.isascii() and text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), LONGEST_BACKOFF)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return timedelta(0)
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta(0)), LONGEST_BACKOFF)
