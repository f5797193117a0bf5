"""Completion of narrow rows that are unpacked to local variables, which are read faster than the items of a tuple."""

import re
from collections.abc import Sequence
from typing import Any, Final

from execution.module import Module
from execution.sites import Slots
from execution.values import Many

_ITEM: Final = re.compile(r"\bo\[(\d+)\]")


def unpacking(module: Module, lines: Sequence[str], display: str) -> Many:
    """Return the function that completes all rows of a level.

    `display` is the source of one answer and `lines` what precedes it, with o[0], o[1], … as the items of a row. No
    text of a document has brackets in it. A row that is null raises.
    """
    # Rows may have further columns, by which their reader has grouped them; their number depends on its arguments.
    by_width: dict[int, Many] = {}

    def made(width: int) -> Many:
        names = "".join(f"r{index}, " for index in range(width))
        answer = _ITEM.sub(r"r\1", display)
        if not lines:
            body = [f"return [{answer} for {names}in rows]"]
        else:
            before = ["  " + _ITEM.sub(r"r\1", line) for line in lines]
            body = ["found = []", f"for {names}in rows:", *before, f"  found.append({answer})", "return found"]
        by_width[width] = module.function(["rows", "slots"], body)
        return by_width[width]

    def many(rows: Sequence[Any], slots: Slots) -> list[Any]:
        if not rows:
            return []
        width = len(rows[0])
        return (by_width.get(width) or made(width))(rows, slots)

    return many
