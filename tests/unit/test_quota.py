"""The token bucket of a quota."""

from datetime import UTC, datetime, timedelta

from models.domain.quota import UNLIMITED, Quota, Rate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RATE = Rate(per_hour=60, burst=10)
MINUTE = timedelta(minutes=1)


def used(times: int) -> datetime:
    """Return the state of a full bucket after this number of uses at once."""
    full_at = NOW
    for _ in range(times):
        assert RATE.wait(full_at, NOW) == timedelta()
        full_at = RATE.after(full_at, NOW)
    return full_at


def test_full_quota_allows_the_burst_and_then_limits_the_rate() -> None:
    """At 60 per hour the next use must wait a minute."""
    assert RATE.wait(used(10), NOW) == MINUTE
    assert RATE.wait(used(10), NOW + MINUTE - timedelta(seconds=1)) == timedelta(seconds=1)
    assert RATE.wait(used(10), NOW + MINUTE) == timedelta()


def test_quota_for_several_uses_waits_for_all_missing_tokens() -> None:
    """Five uses with three tokens left wait for two tokens."""
    assert RATE.wait(used(7), NOW, 3) == timedelta()
    assert RATE.wait(used(7), NOW, 5) == 2 * MINUTE


def test_quota_never_exceeds_the_burst() -> None:
    """However long it is unused."""
    assert RATE.wait(NOW - timedelta(days=1), NOW, 10) == timedelta()
    assert RATE.wait(NOW - timedelta(days=1), NOW, 11) == MINUTE


def test_quota_reports_limit_remaining_and_reset() -> None:
    """The reset is the time at which the bucket is full again."""
    assert RATE.quota(None, NOW) == Quota(10, 10, NOW)
    assert RATE.quota(NOW - MINUTE, NOW) == Quota(10, 10, NOW)
    assert RATE.quota(used(3), NOW) == Quota(10, 7, NOW + 3 * MINUTE)
    assert RATE.quota(used(3), NOW + timedelta(seconds=59)) == Quota(10, 7, NOW + 3 * MINUTE)
    assert RATE.quota(used(3), NOW + MINUTE) == Quota(10, 8, NOW + 3 * MINUTE)
    assert RATE.quota(used(10), NOW) == Quota(10, 0, NOW + 10 * MINUTE)


def test_quota_stored_further_ahead_than_an_empty_bucket_is_full() -> None:
    """The clock went back, or the burst was lowered; a bucket that is just empty stays empty."""
    assert RATE.quota(used(10) + timedelta(hours=1), NOW) == Quota(10, 10, NOW)
    assert RATE.wait(used(10) + timedelta(hours=1), NOW, 10) == timedelta()
    assert RATE.after(used(10) + timedelta(hours=1), NOW) == NOW + MINUTE
    assert Rate(60, 2).quota(used(10), NOW) == Quota(2, 2, NOW)
    assert RATE.quota(used(10), NOW).remaining == 0


def test_remaining_quota_is_the_number_of_accepted_uses() -> None:
    """Also at rates that do not divide an hour."""
    for an_hour in (1, 7, 59, 3601, 1_000_000):
        rate, full_at = Rate(an_hour, 5), NOW
        for uses in range(5):
            assert rate.quota(full_at, NOW).remaining == 5 - uses
            assert not rate.wait(full_at, NOW)
            full_at = rate.after(full_at, NOW)
        assert rate.wait(full_at, NOW)


def test_quota_of_zero_per_hour_is_unlimited() -> None:
    """Operators can switch the limit off."""
    assert not Rate(0, 1).limited
    assert Rate(0, 1).quota(None, NOW) == Quota(UNLIMITED, UNLIMITED, NOW)
