"""Numbers that are remembered for a moment."""

import pytest

from models.db import recent
from models.db.recent import MOST, SECONDS, Recent


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the numbers."""
    made = Clock()
    monkeypatch.setattr(recent, "time", made)
    return made


def test_number_is_forgotten_after_its_time(clock: Clock) -> None:
    """The time of a number that is put again begins again."""
    kept = Recent()
    assert kept.get("key") is None
    kept.put("key", 1)
    clock.now += SECONDS * 0.9
    assert kept.get("key") == 1
    assert kept.get("other") is None
    kept.put("key", 2)
    clock.now += SECONDS * 0.9
    assert kept.get("key") == 2
    clock.now += SECONDS * 0.2
    assert kept.get("key") is None


def test_oldest_numbers_are_forgotten_when_there_are_too_many(clock: Clock) -> None:
    """One that was put again is not the oldest."""
    kept = Recent()
    for number in range(MOST):
        kept.put(number, number)
    kept.put(0, 0)
    kept.put("one more", 1)
    assert [kept.get(key) for key in (0, 1, 2, "one more")] == [0, None, 2, 1]
