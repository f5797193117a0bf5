"""The state of a delivery after an attempt: recorded attempts, and whether and when the next one is due. Pure."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from models.db.rows import DeliveryRow
from models.domain.events import DeliveryStatus

# A delivery that fails for this long is exhausted; a webhook that accepts nothing for this long is switched off.
GIVE_UP_AFTER = timedelta(hours=24)
BACKOFF_FACTOR = 4
LONGEST_BACKOFF = timedelta(hours=6)
# Each pause is longer or shorter by up to this share, so that deliveries that failed together are not retried together.
JITTER = 0.2
LONGEST_PAUSE = LONGEST_BACKOFF * (1 + JITTER)
# The newest attempts are kept. Only repeated redeliveries come to more.
ATTEMPTS_KEPT = 50

GONE = 410
_WITH_RETRY_AFTER = (429, 503)


class Attempt(NamedTuple):
    """One attempt: its start, the status of the response, its duration, and the kind of its error."""

    at: datetime
    response_status: int | None
    duration_ms: int
    error: str | None
    retry_after: str | None = None

    def stored(self) -> dict[str, Any]:
        """Return the attempt as the delivery's row stores it."""
        return {
            "at": self.at.isoformat(),
            "response_status": self.response_status,
            "duration_ms": self.duration_ms,
            "error": self.error,
        }


def error_kind(status: int) -> str | None:
    """Return the kind of error of a response status, None for 2xx. Redirects are not followed."""
    if 200 <= status < 300:
        return None
    return "REDIRECT" if 300 <= status < 400 else "STATUS"


def next_state(delivery: DeliveryRow, attempt: Attempt, first_backoff: timedelta, now: datetime) -> dict[str, Any]:
    """Return the columns of a delivery after an attempt that ended now."""
    values: dict[str, Any] = {
        "attempts": [*delivery.attempts, attempt.stored()][-ATTEMPTS_KEPT:],
        "leased_by": None,
        "lease_expires_at": None,
    }
    if attempt.error is None:
        return values | _finished(DeliveryStatus.SUCCEEDED, now)
    values |= {"failures": delivery.failures + 1, "failing_since": delivery.failing_since or now}
    last = values["failing_since"] + GIVE_UP_AFTER
    if delivery.is_test or attempt.response_status == GONE or now >= last:
        return values | _finished(DeliveryStatus.EXHAUSTED, now)
    pause = max(_backoff(delivery.failures, first_backoff), _requested_pause(attempt, now))
    return values | {"status": DeliveryStatus.FAILED, "next_attempt_at": min(now + pause, last)}


def _finished(status: DeliveryStatus, now: datetime) -> dict[str, Any]:
    return {"status": status, "next_attempt_at": None, "finished_at": now}


def _backoff(failures: int, first: timedelta) -> timedelta:
    pause = min(first * BACKOFF_FACTOR ** min(failures, 16), LONGEST_BACKOFF)
    return pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 # spreads load, protects no secret


def _requested_pause(attempt: Attempt, now: datetime) -> timedelta:
    """Return the pause of Retry-After, in seconds or as a date (RFC 9110, 10.2.3), at most the longest backoff."""
    text = (attempt.retry_after or "").strip()
    if attempt.response_status not in _WITH_RETRY_AFTER or not text:
        return timedelta(0)
    if text.isascii() and text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), LONGEST_BACKOFF)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return timedelta(0)
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta(0)), LONGEST_BACKOFF)
