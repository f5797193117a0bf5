"""The joined video has the pace of the fastest clip: a usual rate, 60 pictures a second at most."""

from collections.abc import Sequence
from fractions import Fraction

import pytest

from providers.clips.pace import USUAL_RATES, pace_of, usual

FILM, NTSC = Fraction(24000, 1001), Fraction(30000, 1001)


def every(rate: Fraction | int, count: int, start: Fraction = Fraction(0)) -> list[Fraction]:
    """Return the times of pictures at a rate."""
    return [start + number / Fraction(rate) for number in range(count)]


def in_milliseconds(times: Sequence[Fraction]) -> list[Fraction]:
    """Return the times as WebM rounds them."""
    return [Fraction(round(time * 1000), 1000) for time in times]


@pytest.mark.parametrize("rate", [1, 8, 12, FILM, 24, 25, NTSC, 30, 50, 60, 120])
@pytest.mark.parametrize("rounded", [False, True], ids=["exact", "milliseconds"])
def test_constant_rate_is_the_pace(rate: Fraction | int, rounded: bool) -> None:
    """Whatever the resolution of the file's clock; the announced rate is exact."""
    times = every(rate, 60)
    found = pace_of(in_milliseconds(times) if rounded else times, Fraction(rate))
    assert (found.rate, found.variable) == (rate, False)


def test_mean_of_a_variable_rate_is_not_the_pace() -> None:
    """A clip that pauses for ten seconds moves as fast as before."""
    times = [*every(25, 25), *every(25, 25, Fraction(11))]
    found = pace_of(times, None)
    assert found.variable
    assert usual(found.rate) == 25
    assert found.mean < 5


def test_faster_part_of_a_clip_is_its_pace() -> None:
    """A recording of a screen stands still most of the time."""
    found = pace_of([*every(5, 20), *every(60, 30, Fraction(4))], None)
    assert usual(found.rate) == 60


def test_single_glitch_is_no_pace() -> None:
    """Two pictures that a rounding error brought together."""
    times = every(24, 48)
    times[20] = times[19] + Fraction(1, 1000)
    assert usual(pace_of(times, None).rate) == 24


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (Fraction(1), Fraction(8)),
        (Fraction(7), Fraction(8)),
        (Fraction(2398, 100), FILM),
        (Fraction(2397, 100), FILM),
        (Fraction(23), FILM),
        (Fraction(26), NTSC),
        (Fraction(3001, 100), Fraction(30)),
        (Fraction(40), Fraction(48)),
        (Fraction(90), Fraction(60)),
        (Fraction(1000), Fraction(60)),
    ],
)
def test_rate_is_the_next_usual_one(rate: Fraction, expected: Fraction) -> None:
    """That loses no motion, if there is one."""
    assert usual(rate) == expected


@pytest.mark.parametrize("rate", USUAL_RATES)
def test_usual_rate_is_kept(rate: Fraction) -> None:
    """Also as files round it."""
    assert usual(rate) == rate
    assert usual(Fraction(round(rate * 1000), 1000)) == rate
