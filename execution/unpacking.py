"""Completion of narrow rows that are unpacked to local variables, which are read faster than the items of a tuple."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from execution.module import Module
from execution.sites import Slots
from execution.values import Many

_ITEM: Final = re.compile(r"\bo\[(\d+)\]")
_NONE_YET: Final = object()


def unpacking(module: Module, lines: Sequence[str], display: str, converted: Mapping[str, str]) -> Many:
    """Return the function that completes all rows of a level.

    `display` is the source of one answer and `lines` what precedes it, with o[0], o[1], … as the items of a row. No
    text of a document has brackets in it. A row that is null raises.

    `converted` are the parts of the display that convert an item, with the item. What an item is converted to is kept
    for the next row: scenes that were created together have the same instants.
    """
    kept: list[str] = []
    for number, (answer, item) in enumerate(converted.items()):
        display = display.replace(answer, f"q{number}")
        kept += [f"if {item} != p{number}:", f"  q{number} = {answer}", f"  p{number} = {item}"]
    first = [f"p{number} = {module.constant(_NONE_YET)}" for number in range(len(converted))]
    # Rows may have further columns, by which their reader has grouped them; their number depends on its arguments.
    by_width: dict[int, Many] = {}

    def made(width: int) -> Many:
        names = "".join(f"r{index}, " for index in range(width))
        answer = _ITEM.sub(r"r\1", display)
        if not lines and not kept:
            body = [f"return [{answer} for {names}in rows]"]
        else:
            before = ["  " + _ITEM.sub(r"r\1", line) for line in (*lines, *kept)]
            body = [
                *first,
                "found = []",
                "add = found.append",
                f"for {names}in rows:",
                *before,
                f"  add({answer})",
                "return found",
            ]
        by_width[width] = module.function(["rows", "slots"], body)
        return by_width[width]

    def many(rows: Sequence[Any], slots: Slots) -> list[Any]:
        if not rows:
            return []
        width = len(rows[0])
        return (by_width.get(width) or made(width))(rows, slots)

    return many
