"""Text of users as the cells of a terminal: nothing in it can move the cursor, change colours or reverse a line."""

import math
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta

from rich.cells import cell_len, set_cell_size

ELLIPSIS = "…"
REPLACEMENT = "\ufffd"
# Control characters, among them ESC; formats, among them right-to-left overrides; surrogates; unassigned characters.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# More marks on one letter would cover the lines around it.
_MOST_MARKS = 2


def safe(text: str) -> str:
    """Return a text in one line, its control and format characters replaced."""
    return " ".join("".join(_characters(text)).split())


def cut(text: str, width: int) -> str:
    """Return a text of at most this many columns of a terminal, its end replaced by an ellipsis when it is longer."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + ELLIPSIS


def moment(instant: datetime) -> str:
    """Return an instant, which is in UTC, to the second."""
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def share(percentage: float) -> str:
    """Return a percentage without a fraction, which is cut: less than 100 is shown as less."""
    return str(math.floor(percentage))


def span(seconds: float) -> str:
    """Return a span of time in its two largest units, such as "3h 12m"; "0s" for a negative one."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def since(instant: datetime, now: datetime) -> str:
    """Return how long ago an instant is."""
    return span((now - instant) / timedelta(seconds=1))


def _characters(text: str) -> Iterator[str]:
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category.startswith("M") else 0
        if character.isspace():
            yield " "
        elif category in _UNSAFE:
            yield REPLACEMENT
        elif marks <= _MOST_MARKS:
            yield character
