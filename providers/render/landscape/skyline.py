"""Outlines of land against the sky, as heights in 0..1 from left to right."""

import math
from collections.abc import Callable
from itertools import pairwise
from random import Random

Outline = list[float]


def outline(kind: str, rng: Random, width: int, feature: int) -> Outline:
    """Draw an outline of `width` columns whose features are about `feature` columns wide."""
    return OUTLINES[kind](rng, width, feature)


def mountains(rng: Random, width: int, feature: int) -> Outline:
    """Peaks and slopes by midpoint displacement."""
    knots = [rng.random() for _ in range(width // feature + 3)]
    roughness = 0.34
    while feature > 2:
        middles = [(a + b) / 2 + rng.uniform(-1, 1) * roughness for a, b in pairwise(knots)]
        knots = [knot for pair in zip(knots, middles, strict=False) for knot in pair] + knots[-1:]
        feature, roughness = max(1, feature // 2), roughness * 0.5
    return _fitted([_between(knots, column / width * (len(knots) - 1)) for column in range(width)])


def hills(rng: Random, width: int, feature: int) -> Outline:
    """Slow waves, one over another."""
    waves = [(rng.uniform(0.6, 1.6) * part, rng.random() * math.tau, 1 / part) for part in (1, 2.3, 4.1)]
    return _fitted(
        [
            sum(size * math.sin(math.pi * rate * column / feature + phase) for rate, phase, size in waves)
            for column in range(width)
        ]
    )


def towers(rng: Random, width: int, feature: int) -> Outline:
    """A city: flat roofs, some with a mast."""
    roofs: Outline = []
    while len(roofs) < width:
        across = max(4, round(feature * rng.uniform(0.16, 0.42)))
        roof = rng.uniform(0.1, 0.8)
        house = [roof] * across + [0.05] * max(1, across // 10)
        if rng.random() < 0.3:
            mast = max(1, across // 16)
            house[across // 2 : across // 2 + mast] = [roof + 0.2] * mast
        roofs += house
    return roofs[:width]


OUTLINES: dict[str, Callable[[Random, int, int], Outline]] = {
    "mountains": mountains,
    "hills": hills,
    "towers": towers,
}


def _between(knots: Outline, place: float) -> float:
    left = min(int(place), len(knots) - 2)
    return knots[left] + (knots[left + 1] - knots[left]) * (place - left)


def _fitted(heights: Outline) -> Outline:
    low, high = min(heights), max(heights)
    span = high - low or 1.0
    return [(height - low) / span for height in heights]
