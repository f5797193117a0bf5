"""The pace of a clip: how many pictures a second it has where it moves."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

# Frame rates that players, editors and cameras know, in pictures a second.
USUAL_RATES = (
    Fraction(8),
    Fraction(10),
    Fraction(12),
    Fraction(15),
    Fraction(16),
    Fraction(20),
    Fraction(24000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(48),
    Fraction(50),
    Fraction(60000, 1001),
    Fraction(60),
)
USUAL_RATE = Fraction(24)
# Times of pictures are rounded to milliseconds in WebM: at 60 a second they differ by a third of a tick.
JITTER_SECONDS = Fraction(1, 500)
# A rate this near to a usual one is meant to be it, as 23.98 or 29.9.
NEAR = Fraction(1, 200)


class Pace(NamedTuple):
    """`rate` in pictures a second where the clip moves, `mean` over all of it; `variable`: the intervals differ."""

    rate: Fraction
    mean: Fraction
    variable: bool


def pace_of(times: Sequence[Fraction], announced: Fraction | None) -> Pace:
    """Return the pace of pictures shown at these times, in seconds; `announced` is the rate that the file gives.

    A clip of variable rate pauses: its mean says how long, not how fast it moves. The rate is that of the shortest
    intervals but for one in ten, which may be glitches.
    """
    ordered = sorted(set(times))
    gaps = sorted(later - earlier for earlier, later in pairwise(ordered))
    if not gaps:
        rate = announced or USUAL_RATE
        return Pace(rate, rate, variable=False)
    mean = len(gaps) / (ordered[-1] - ordered[0])
    variable = gaps[-1] > _about(gaps[0])
    if not variable:
        # The mean of rounded times is exact; the announced rate, when it agrees, is more so.
        agrees = announced is not None and abs(announced - mean) <= mean * NEAR
        return Pace(announced if agrees and announced is not None else mean, mean, variable=False)
    shortest = gaps[len(gaps) // 10]
    like = [gap for gap in gaps if shortest <= gap <= _about(shortest)]
    return Pace(len(like) / sum(like, Fraction(0)), mean, variable=True)


def usual(rate: Fraction) -> Fraction:
    """Return the usual rate for clips that move at this one: the nearest that loses no motion, 60 at most."""
    near = min(USUAL_RATES, key=lambda each: abs(each - rate))
    if abs(near - rate) <= near * NEAR:
        return near
    return next((each for each in USUAL_RATES if each >= rate), USUAL_RATES[-1])


def _about(seconds: Fraction) -> Fraction:
    return seconds + JITTER_SECONDS + seconds / 10
