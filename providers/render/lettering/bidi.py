"""Right-to-left text: the embedding levels of Unicode's UAX #9, by python-bidi, and the visual order of a line."""

import re
from collections.abc import Sequence
from itertools import groupby, pairwise

from bidi import get_base_level, get_display  # pyright: ignore[reportMissingTypeStubs] - it has types, and no marker

# python-bidi returns levels in its report alone, one for each byte of UTF-8. Its text is one line there, escaped.
_LEVELS = re.compile(r"^    levels: \[\n(.*?)^    \],$", re.MULTILINE | re.DOTALL)
_LEVEL = re.compile(r"\d+")


def levels(pieces: Sequence[str]) -> tuple[int, list[int]]:
    """Return the paragraph's level (0 left to right, 1 right to left) and the embedding level of each piece.

    A piece has the level of its first character. No piece may hold a paragraph separator or a lone surrogate.
    """
    text = "".join(pieces)
    if not text:
        return 0, []
    of_bytes = _levels_of_bytes(text)
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece.encode()))
    return get_base_level(text), [of_bytes[start] for start, _ in pairwise(starts)]


def visual(levels: Sequence[int]) -> list[int]:
    """Return the indices of a line's pieces from left to right (rule L2)."""
    order = list(range(len(levels)))
    for level in range(max(levels, default=0), 0, -1):
        reordered: list[int] = []
        for reverses, group in groupby(order, key=lambda index: levels[index] >= level):
            run = list(group)
            reordered += reversed(run) if reverses else run
        order = reordered
    return order


def _levels_of_bytes(text: str) -> list[int]:
    found = _LEVELS.search(str(get_display(text, debug=True)))
    if found is None:
        raise RuntimeError("python-bidi reports no levels; this release of it is not supported")
    return [int(level) for level in _LEVEL.findall(found[1])]
