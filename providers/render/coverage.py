"""Which characters a font file can draw, read from its tables and remembered between processes."""

import json
import os
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TypedDict, cast

from fontTools.ttLib import TTFont  # pyright: ignore[reportMissingTypeStubs] - it has none; see _Font
from PIL import ImageFont

OUTLINES = ("glyf", "CFF ", "CFF2")
VERSION = 1


@dataclass(frozen=True, slots=True)
class Coverage:
    """Code point ranges as a, b, c, d for a..b and c..d; `strike` is the pixel size of a font of colour bitmaps."""

    ranges: tuple[int, ...] = ()
    strike: int | None = None


# Modification time and size of the file, ranges, strike.
_Entry = tuple[list[int], list[int], int | None]


class _Kept(TypedDict):
    version: int
    fonts: dict[str, _Entry]


class Memory:
    """Coverages by file, kept in one JSON file; a file that changed is read again."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = _load(path)
        self._grown = False

    def of(self, path: Path) -> Coverage:
        """Return what the font file covers: nothing when it is broken or of a kind that cannot be drawn."""
        try:
            stat = path.stat()
            stamp = [stat.st_mtime_ns, stat.st_size]
            known = self._known.get(str(path))
            if known is None or known[0] != stamp:
                found = read(path.read_bytes())
                known = self._known[str(path)] = (stamp, list(found.ranges), found.strike)
                self._grown = True
        except OSError:
            return Coverage()
        return Coverage(tuple(known[1]), known[2])

    def save(self) -> None:
        """Write what was learned. A machine where that is not possible reads its fonts each time."""
        if self._path is None or not self._grown:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps({"version": VERSION, "fonts": self._known}))
            draft.replace(self._path)
        except OSError:
            return


def read(font_file: bytes) -> Coverage:
    """Read the coverage of a font file's first face."""
    try:
        return _read(font_file)
    # A broken font raises whatever the damage leads to (struct.error, KeyError, AssertionError, …): it covers nothing.
    except Exception:
        return Coverage()


def _read(font_file: bytes) -> Coverage:
    font = cast("_Font", TTFont(BytesIO(font_file), lazy=True, fontNumber=0))
    strike = _strike(font)
    if strike is None and not _has_outlines(font):
        return Coverage()
    # Real glyph names would cost four fifths of the time; only "is it the missing glyph" matters here.
    font.setGlyphOrder([str(glyph) for glyph in range(font["maxp"].numGlyphs)])
    ImageFont.truetype(BytesIO(font_file), strike or 16)
    points = sorted(point for point, glyph in (font.getBestCmap() or {}).items() if glyph != "0")
    return Coverage(_ranges(points), strike)


def _strike(font: "_Font") -> int | None:
    if "CBDT" not in font or "CBLC" not in font:
        return None
    return max(strike.bitmapSizeTable.ppemY for strike in font["CBLC"].strikes)


def _has_outlines(font: "_Font") -> bool:
    # FreeType draws neither SVG glyphs nor COLR version 1, and their outlines are blank.
    if "SVG " in font or "sbix" in font or ("COLR" in font and font["COLR"].version > 0):
        return False
    return any(table in font for table in OUTLINES)


def _ranges(points: list[int]) -> tuple[int, ...]:
    if not points:
        return ()
    edges = [edge for before, after in pairwise(points) if after > before + 1 for edge in (before, after)]
    return (points[0], *edges, points[-1])


def _load(path: Path | None) -> dict[str, _Entry]:
    try:
        kept = cast("_Kept", json.loads(path.read_bytes())) if path is not None else None
        return kept["fonts"] if kept is not None and kept["version"] == VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


class _Font(Protocol):
    """What is used of fontTools, which has no types; its tables have as many shapes as there are tables."""

    def __contains__(self, table: str, /) -> bool: ...
    def __getitem__(self, table: str, /) -> Any: ...
    def getBestCmap(self) -> dict[int, str] | None: ...  # noqa: N802
    def setGlyphOrder(self, names: list[str], /) -> None: ...  # noqa: N802
