"""The state of a webhook delivery after an attempt."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from coordinator.webhooks import backoff
from coordinator.webhooks.backoff import GIVE_UP_AFTER, JITTER, LONGEST_BACKOFF, Attempt
from models.db.rows import DeliveryRow
from models.domain.events import DeliveryStatus, EventType

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
FIRST = timedelta(seconds=5)


def a_delivery(**fields: Any) -> DeliveryRow:
    """Make a delivery without attempts; `fields` replace its columns."""
    values: dict[str, Any] = {
        **dict.fromkeys(DeliveryRow._fields),
        "version": 1,
        "event_type": EventType.JOB_CREATED,
        "status": DeliveryStatus.PENDING,
        "attempts": [],
        "failures": 0,
    }
    return DeliveryRow(**(values | fields))


def an_attempt(status: int | None = 500, at: datetime = NOW, retry_after: str | None = None) -> Attempt:
    """Make an attempt that got a response with this status, or timed out."""
    return Attempt(at, status, 12, "TIMEOUT" if status is None else backoff.error_kind(status), retry_after)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, None), (299, None), (300, "REDIRECT"), (399, "REDIRECT"), (400, "STATUS"), (199, "STATUS")],
)
def test_delivery_error_kind_of_response_status(status: int, kind: str | None) -> None:
    """Only 2xx means that the delivery was accepted."""
    assert backoff.error_kind(status) == kind


def test_failing_delivery_is_retried_for_a_day() -> None:
    """Each pause is four times the previous one, up to six hours; the last attempt is a day after the first."""
    delivery, now, pauses = a_delivery(), NOW, list[timedelta]()
    while delivery.status is not DeliveryStatus.EXHAUSTED:
        values = backoff.next_state(delivery, an_attempt(at=now), FIRST, now)
        delivery = delivery._replace(**values)
        if delivery.next_attempt_at is not None:
            assert delivery.status is DeliveryStatus.FAILED
            pauses.append(delivery.next_attempt_at - now)
            now = delivery.next_attempt_at
    expected = [min(FIRST * 4**number, LONGEST_BACKOFF) for number in range(len(pauses))]
    for pause, middle in list(zip(pauses, expected, strict=True))[:-1]:
        assert middle * (1 - JITTER) <= pause <= middle * (1 + JITTER)
    assert sum(pauses, timedelta()) == GIVE_UP_AFTER
    assert 9 <= len(delivery.attempts) == len(pauses) + 1 <= 13
    assert (delivery.next_attempt_at, delivery.finished_at) == (None, now)


def test_delivery_backoff_has_jitter() -> None:
    """Deliveries that failed together are not retried together."""
    pauses = {backoff.next_state(a_delivery(), an_attempt(), FIRST, NOW)["next_attempt_at"] for _ in range(20)}
    assert len(pauses) > 10


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [
        (429, "600", 600),
        (503, "600", 600),
        (503, format_datetime(NOW + timedelta(minutes=10), usegmt=True), 600),
        (503, "999999999", LONGEST_BACKOFF.total_seconds()),
        (503, format_datetime(NOW + timedelta(days=400), usegmt=True), LONGEST_BACKOFF.total_seconds()),
        (503, "1", 5),
        (503, "-600", 5),
        (503, "soon", 5),
        (503, "٦٠٠", 5),
        (503, format_datetime(NOW - timedelta(days=1), usegmt=True), 5),
        (500, "600", 5),
    ],
)
def test_delivery_backoff_honors_retry_after_within_bounds(status: int, text: str, seconds: float) -> None:
    """In both formats; never sooner than the usual pause, and only with the statuses 429 and 503."""
    values = backoff.next_state(a_delivery(), an_attempt(status, retry_after=text), FIRST, NOW)
    pause = (values["next_attempt_at"] - NOW).total_seconds()
    assert seconds * (1 - JITTER) <= pause <= seconds * (1 + JITTER)


def test_delivery_is_exhausted_after_a_day_despite_retry_after() -> None:
    """The last attempt is at most a day after the first failure."""
    delivery = a_delivery(failing_since=NOW - GIVE_UP_AFTER + timedelta(minutes=1), failures=9)
    values = backoff.next_state(delivery, an_attempt(503, retry_after="3600"), FIRST, NOW)
    assert values["next_attempt_at"] == NOW + timedelta(minutes=1)


def test_accepted_delivery_has_succeeded() -> None:
    """The attempt is appended to the earlier ones."""
    before = [{"at": "earlier"}]
    values = backoff.next_state(a_delivery(attempts=before, failures=1, failing_since=NOW), an_attempt(204), FIRST, NOW)
    assert values["attempts"] == [
        *before,
        {"at": "2026-01-31T12:00:00+00:00", "response_status": 204, "duration_ms": 12, "error": None},
    ]
    assert (values["status"], values["next_attempt_at"]) == (DeliveryStatus.SUCCEEDED, None)


@pytest.mark.parametrize(("delivery", "status"), [(a_delivery(version=0), 500), (a_delivery(), 410)])
def test_delivery_of_a_sample_or_with_410_is_not_retried(delivery: DeliveryRow, status: int) -> None:
    """It is exhausted after one attempt."""
    assert backoff.next_state(delivery, an_attempt(status), FIRST, NOW)["status"] is DeliveryStatus.EXHAUSTED


def test_delivery_keeps_its_newest_attempts() -> None:
    """At most 50, which only repeated redeliveries come to."""
    delivery = a_delivery(attempts=[{"number": number} for number in range(50)])
    kept = backoff.next_state(delivery, an_attempt(204), FIRST, NOW)["attempts"]
    assert (len(kept), kept[0]) == (50, {"number": 1})
