"""Right-to-left text: the embedding levels and the visual order of Unicode's UAX #9, without its explicit controls."""

import unicodedata
from collections.abc import Sequence
from itertools import groupby

LEFT, RIGHT, NUMBER, NEUTRAL = "L", "R", "N", "-"
CLASSES = {"L": LEFT, "R": RIGHT, "AL": RIGHT, "EN": NUMBER, "AN": NUMBER}


def levels(pieces: Sequence[str]) -> tuple[int, list[int]]:
    """Return the paragraph's level (0 left to right, 1 right to left) and each piece's embedding level."""
    kinds = [CLASSES.get(unicodedata.bidirectional(piece[0]), NEUTRAL) for piece in pieces]
    paragraph = next((int(kind == RIGHT) for kind in kinds if kind in (LEFT, RIGHT)), 0)
    if RIGHT not in kinds:
        return 0, [0] * len(pieces)
    resolved = _neutrals(_numbers(kinds, paragraph), paragraph)
    return paragraph, [_level(kind, paragraph) for kind in resolved]


def visual(levels: Sequence[int]) -> list[int]:
    """Return the indices of a line's pieces from left to right (rule L2)."""
    order = list(range(len(levels)))
    for level in range(max(levels, default=0), 0, -1):
        turned: list[int] = []
        for turns, group in groupby(order, key=lambda index: levels[index] >= level):
            run = list(group)
            turned += reversed(run) if turns else run
        order = turned
    return order


def _numbers(kinds: list[str], paragraph: int) -> list[str]:
    """Numbers count as left-to-right text unless the last letter before them was right-to-left (rule W7)."""
    last = RIGHT if paragraph else LEFT
    resolved: list[str] = []
    for kind in kinds:
        last = kind if kind in (LEFT, RIGHT) else last
        resolved.append(LEFT if kind == NUMBER and last == LEFT else kind)
    return resolved


def _neutrals(kinds: list[str], paragraph: int) -> list[str]:
    """Neutrals between two of a direction take that direction, others the paragraph's (rules N1 and N2)."""
    edge = RIGHT if paragraph else LEFT
    resolved: list[str] = []
    runs = [(kind, len(list(run))) for kind, run in groupby(kinds)]
    for i, (kind, length) in enumerate(runs):
        if kind == NEUTRAL:
            before = _side(runs[i - 1][0]) if i else edge
            after = _side(runs[i + 1][0]) if i + 1 < len(runs) else edge
            kind = before if before == after else edge
        resolved += [kind] * length
    return resolved


def _side(kind: str) -> str:
    return RIGHT if kind == NUMBER else kind


def _level(kind: str, paragraph: int) -> int:
    if kind == RIGHT:
        return 1
    return 2 if kind == NUMBER or paragraph else 0
