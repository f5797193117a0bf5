"""The format of a joined video whose pictures are encoded."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from providers.clips import pace
from providers.joining.sources import Source

# 4K: what H.264 decoders of browsers and phones play (Rec. ITU-T H.264, level 5.1).
LARGEST_PIXELS = 4096 * 2304
LARGEST_SIDE = 4096
# SVT-AV1 encodes nothing smaller.
SMALLEST_SIDE = 4


class Target(NamedTuple):
    """Even sides in pixels, and pictures a second."""

    width: int
    height: int
    rate: Fraction


def target_of(sources: Sequence[Source]) -> Target:
    """Return the size of the first clip as it is shown, 4K at most, and the pace of the fastest, 60 at most."""
    width, height = sources[0].clip.pictures.displayed
    shrink = min(1.0, (LARGEST_PIXELS / (width * height)) ** 0.5, LARGEST_SIDE / max(width, height))
    fastest = max(source.clip.pictures.pace.rate for source in sources)
    width, height = (max(SMALLEST_SIDE, even(side * shrink)) for side in (width, height))
    return Target(width, height, pace.usual(fastest))


def even(side: float) -> int:
    """Return the even length below: yuv420p has no odd sides."""
    return max(2, int(side) // 2 * 2)
