"""The bucket of what may be done only so often."""

from datetime import UTC, datetime, timedelta

from models.domain.quota import UNLIMITED, Quota, Rate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RATE = Rate(per_hour=60, burst=10)
MINUTE = timedelta(minutes=1)


def used(times: int) -> datetime:
    """A bucket that was full, after so many uses at once."""
    full_at = NOW
    for _ in range(times):
        assert RATE.wait(full_at, NOW) == timedelta()
        full_at = RATE.after(full_at, NOW)
    return full_at


def test_a_full_one_gives_the_burst_and_then_waits() -> None:
    """A minute for the next one at sixty an hour."""
    assert RATE.wait(used(10), NOW) == MINUTE
    assert RATE.wait(used(10), NOW + MINUTE - timedelta(seconds=1)) == timedelta(seconds=1)
    assert RATE.wait(used(10), NOW + MINUTE) == timedelta()


def test_several_at_once_wait_for_the_last_of_them() -> None:
    """Who needs five and finds three waits for two."""
    assert RATE.wait(used(7), NOW, 3) == timedelta()
    assert RATE.wait(used(7), NOW, 5) == 2 * MINUTE


def test_it_never_holds_more_than_the_burst() -> None:
    """However long nobody came."""
    assert RATE.wait(NOW - timedelta(days=1), NOW, 10) == timedelta()
    assert RATE.wait(NOW - timedelta(days=1), NOW, 11) == MINUTE


def test_what_is_left() -> None:
    """Of the whole burst, and when all of it is there again."""
    assert RATE.quota(None, NOW) == Quota(10, 10, NOW)
    assert RATE.quota(NOW - MINUTE, NOW) == Quota(10, 10, NOW)
    assert RATE.quota(used(3), NOW) == Quota(10, 7, NOW + 3 * MINUTE)
    assert RATE.quota(used(3), NOW + timedelta(seconds=59)) == Quota(10, 7, NOW + 3 * MINUTE)
    assert RATE.quota(used(3), NOW + MINUTE) == Quota(10, 8, NOW + 3 * MINUTE)
    assert RATE.quota(used(10), NOW) == Quota(10, 0, NOW + 10 * MINUTE)
    # A lower burst was set since.
    assert Rate(60, 2).quota(used(10), NOW).remaining == 0


def test_what_is_left_is_what_is_accepted() -> None:
    """At rates that do not divide an hour, too."""
    for an_hour in (1, 7, 59, 3601, 1_000_000):
        rate, full_at = Rate(an_hour, 5), NOW
        for uses in range(5):
            assert rate.quota(full_at, NOW).remaining == 5 - uses
            assert not rate.wait(full_at, NOW)
            full_at = rate.after(full_at, NOW)
        assert rate.wait(full_at, NOW)


def test_nothing_an_hour_is_no_limit() -> None:
    """For operators who do not want one."""
    assert not Rate(0, 1).limited
    assert Rate(0, 1).quota(None, NOW) == Quota(UNLIMITED, UNLIMITED, NOW)
