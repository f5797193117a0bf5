"""Lines of text: wrapped to a width, cut to a number of lines, and drawn run by run."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from PIL import Image

from providers.render.landscape.palette import Colour
from providers.render.lettering import bidi
from providers.render.lettering.faces import Face
from providers.render.lettering.fonts import Fonts
from providers.render.lettering.shaping import script
from providers.render.lettering.text import Cluster, prepare

LINE_HEIGHT = 1.36
ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbours on a line that are shaped together: of one face, one script and one direction, in reading order."""

    text: str
    face: Face
    rtl: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its runs from left to right, and its width in pixels."""

    runs: list[Run]
    width: float


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one size in pixels, aligned to the right when the paragraph is right-to-left."""

    lines: list[Line]
    size: int
    rtl: bool

    @property
    def height(self) -> int:
        """The height in pixels of all lines."""
        return round(len(self.lines) * self.size * LINE_HEIGHT)

    def draw(self, layer: Image.Image, at: tuple[int, int], width: int, colour: Colour) -> None:
        """Draw the block on an RGBA layer, its top left corner at a place, within a width."""
        baseline = at[1] + self.size
        for line in self.lines:
            x = at[0] + (width - line.width if self.rtl else 0)
            for run in line.runs:
                run.face.draw(layer, (x, baseline), run.text, self.size, colour, rtl=run.rtl)
                x += run.face.width(run.text, self.size, rtl=run.rtl)
            baseline += self.size * LINE_HEIGHT


def block(raw: str, fonts: Fonts, *, size: int, width: int, most_lines: int, bold: bool = False) -> Block:
    """Lay text out in at most this many lines of a width in pixels; text that does not fit ends in an ellipsis."""
    clusters = prepare(raw, fonts, bold=bold)
    paragraph, levels = bidi.levels([cluster.text for cluster in clusters])
    letters = [_Letter(*fields) for fields in zip(clusters, levels, _scripts(clusters), strict=True)]
    rows = _wrap(letters, size, width)
    if len(rows) > most_lines:
        dots = [_Letter(cluster, paragraph, None) for cluster in prepare(ELLIPSIS, fonts, bold=bold)]
        rows = [*rows[: most_lines - 1], _cut(rows[most_lines - 1], dots, size, width)][:most_lines]
    return Block([_line(row, size) for row in rows], size, rtl=bool(paragraph))


@dataclass(frozen=True, slots=True)
class _Letter:
    cluster: Cluster
    level: int
    script: str | None


def _scripts(clusters: Sequence[Cluster]) -> list[str | None]:
    """Return the script of each cluster; what all scripts share takes that of its predecessor (UAX #24, 5.1)."""
    scripts: list[str | None] = []
    last: str | None = None
    for cluster in clusters:
        last = script(cluster.text[0]) or last
        scripts.append(last)
    return scripts


def _wrap(letters: list[_Letter], size: int, width: int) -> list[list[_Letter]]:
    rows: list[list[_Letter]] = []
    row: list[_Letter] = []
    room = float(width)
    for word in _pieces(letters, size, width):
        needed = _width(_trimmed(word), size)
        if row and needed > room:
            rows.append(_trimmed(row))
            row, room = [], float(width)
        row = row + word
        room -= _width(word, size)
    return [*rows, _trimmed(row)] if row else rows


def _pieces(letters: list[_Letter], size: int, width: int) -> list[list[_Letter]]:
    """Split at each place where a line may end; a word that is wider than a line is split at any letter."""
    words: list[list[_Letter]] = []
    start = 0
    for end in range(1, len(letters) + 1):
        if end == len(letters) or _may_break(letters[end - 1].cluster, letters[end].cluster):
            words.append(letters[start:end])
            start = end
    pieces: list[list[_Letter]] = []
    for word in words:
        fits = _width(_trimmed(word), size) <= width
        pieces += [word] if fits else [[letter] for letter in word]
    return pieces


def _may_break(before: Cluster, after: Cluster) -> bool:
    if before.is_space or after.is_space:
        return before.is_space
    if before.text in ("-", "–", "—", "/"):
        return after.text[0].isalpha()
    # Lines break between any ideographs, but not before a closing mark or after an opening one (kinsoku).
    wide = _wide(before) or _wide(after)
    closing = unicodedata.category(after.text[0]) in ("Pe", "Pf", "Po")
    opening = unicodedata.category(before.text[0]) in ("Ps", "Pi")
    return wide and not closing and not opening


def _wide(cluster: Cluster) -> bool:
    return unicodedata.east_asian_width(cluster.text[0]) in ("W", "F")


def _cut(row: list[_Letter], dots: list[_Letter], size: int, width: int) -> list[_Letter]:
    while row and _width(row + dots, size) > width:
        row = row[:-1]
    return [*_trimmed(row), *dots]


def _trimmed(row: list[_Letter]) -> list[_Letter]:
    end = len(row)
    while end and row[end - 1].cluster.is_space:
        end -= 1
    return row[:end]


def _width(row: Sequence[_Letter], size: int) -> float:
    return sum(run.face.width(run.text, size, rtl=run.rtl) for run, _ in _runs(row))


def _line(row: list[_Letter], size: int) -> Line:
    runs = _runs(row)
    shown = [runs[index][0] for index in bidi.visual([level for _, level in runs])]
    return Line(shown, _width(row, size))


def _runs(row: Sequence[_Letter]) -> list[tuple[Run, int]]:
    """Join neighbours of one face, level and script; each run has its level."""
    runs: list[tuple[Run, int]] = []
    for (face, level, _), letters in groupby(row, key=lambda each: (each.cluster.face, each.level, each.script)):
        text = "".join(letter.cluster.text for letter in letters)
        runs.append((Run(text, face, rtl=level % 2 == 1), level))
    return runs
