"""The priority of joins: the shortest first, the owner with fewer first, and none waits for ever."""

from datetime import UTC, datetime, timedelta

from models.writes import composition

START = datetime(2026, 6, 1, tzinfo=UTC)


def test_shortest_join_goes_first() -> None:
    """Of equal length, the one that waits longest."""
    assert composition.priority(START, 5) > composition.priority(START, 10)
    assert composition.priority(START, 5) > composition.priority(START + timedelta(seconds=1), 5)


def test_long_join_does_not_wait_for_ever() -> None:
    """One of ten minutes goes before those of five seconds that are completed two hours later."""
    assert composition.priority(START, 600) > composition.priority(START + timedelta(hours=2), 5)
    assert composition.priority(START, 600) < composition.priority(START + timedelta(hours=1), 5)


def test_priorities_fit_into_the_column_of_the_queue() -> None:
    """An integer of 32 bits, for any clock and any number of clips."""
    for instant in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2400, 1, 1, tzinfo=UTC)):
        for seconds in (0.0, 1e9):
            assert -(2**31) <= composition.priority(instant, seconds) <= 0
