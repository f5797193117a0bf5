"""Whether a stored instant is reached, when the clock may have gone back or the reading of it is a little old."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from models.db import clock
from models.db.tables import JOB
from models.domain.instants import SLACK, ahead

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST = timedelta(seconds=30)
SECOND = timedelta(seconds=1)

CASES = [
    pytest.param(-SECOND, timedelta(), id="past"),
    pytest.param(SECOND, SECOND, id="soon"),
    pytest.param(LONGEST, LONGEST, id="longest"),
    # Another transaction set it by a later clock, while this one waited for the row.
    pytest.param(LONGEST + SECOND, LONGEST, id="set_after_the_clock_was_read"),
    pytest.param(LONGEST + SLACK + SECOND, timedelta(), id="clock_went_back"),
]


@pytest.mark.parametrize(("distance", "left"), CASES)
def test_instant_is_reached_when_it_is_past_or_beyond_its_longest_span(distance: timedelta, left: timedelta) -> None:
    """In Python and in SQL alike; the wait is never longer than the span."""
    assert ahead(NOW + distance, NOW, LONGEST) == left
    stored = sa.literal(NOW + distance, JOB.c.created_at.type)
    with sa.create_engine("sqlite://").connect() as connection:
        assert connection.execute(sa.select(clock.reached(stored, NOW, LONGEST))).scalar_one() == (not left)
