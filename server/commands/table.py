"""Tables for a terminal, cut to its width; where the output goes to a file or a pipe, they are complete."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from server.commands.cells import cut, safe

GAP = "  "
# Enough of a name to recognise it.
SHORTEST = 10
COLOURS = {
    **dict.fromkeys(("COMPLETED", "OK", "ok"), "green"),
    **dict.fromkeys(("FAILED", "FAIL"), "red"),
    **dict.fromkeys(("CANCELED", "warn"), "yellow"),
    "PROCESSING": "cyan",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column. In a narrow terminal those with a `least` width are cut to it, and then those with the highest
    `dispensable` are left out, those with 0 never."""

    name: str
    least: int | None = None
    right: bool = False
    dispensable: int = 0


Row = Sequence[str]


def console() -> Console:
    """Return the console of the standard output; it heeds NO_COLOR, FORCE_COLOR and COLUMNS.

    Characters that the encoding of the output lacks are replaced.
    """
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    return Console(markup=False, highlight=False, emoji=False)


def show(output: Console, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Print rows under the names of the columns."""
    cells = [[safe(cell) for cell in row] for row in rows]
    widths = [max(cell_len(text) for text in texts) for texts in zip([c.name for c in columns], *cells, strict=True)]
    kept = list(range(len(columns)))
    if output.is_terminal:
        kept, widths = _fitted(columns, widths, output.width)
    line(output, _line(columns, kept, widths, [column.name for column in columns], "bold"))
    for row in cells:
        line(output, _line(columns, kept, widths, row))


def line(output: Console, text: Text | str) -> None:
    """Print one line, which is not wrapped."""
    output.print(text, soft_wrap=True)


def write_json(document: Mapping[str, object]) -> None:
    """Print an object in one line of ASCII."""
    sys.stdout.write(json.dumps(document, default=str) + "\n")


def _line(columns: Sequence[Column], kept: Sequence[int], widths: Sequence[int], row: Row, style: str = "") -> Text:
    text = Text(style=style)
    for place in kept:
        cell = cut(row[place], widths[place])
        padding = " " * (widths[place] - cell_len(cell))
        last = place == kept[-1] and not columns[place].right
        text.append(GAP if place != kept[0] else "")
        text.append(padding if columns[place].right else "")
        text.append(cell, COLOURS.get(cell, ""))
        text.append("" if columns[place].right or last else padding)
    return text


def _fitted(columns: Sequence[Column], widths: Sequence[int], most: int) -> tuple[list[int], list[int]]:
    """Return the columns that fit into a terminal, and the widths of all."""
    least = [width if c.least is None else min(width, c.least) for c, width in zip(columns, widths, strict=True)]
    kept = list(range(len(columns)))
    while _sum(kept, least) > most:
        left_out = max(kept, key=lambda place: columns[place].dispensable)
        if columns[left_out].dispensable == 0:
            # A very narrow terminal.
            least = [
                width if c.least is None else min(width, SHORTEST) for c, width in zip(columns, widths, strict=True)
            ]
            break
        kept.remove(left_out)
    fitted = list(widths)
    for place in sorted(kept, key=lambda place: least[place] - widths[place]):
        # The column that loses least by it is cut last.
        fitted[place] = max(least[place], widths[place] - max(0, _sum(kept, fitted) - most))
    return kept, fitted


def _sum(kept: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[place] for place in kept) + len(GAP) * (len(kept) - 1)
