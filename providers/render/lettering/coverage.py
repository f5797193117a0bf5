"""Which characters a font file covers, read from its tables and cached between processes."""

import json
import os
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypedDict, cast

from providers.render.lettering import harfbuzz

OUTLINES = {"glyf", "CFF ", "CFF2"}
VERSION = 2


@dataclass(frozen=True, slots=True)
class Coverage:
    """Code point ranges as a, b, c, d for a..b and c..d; `coloured` when the glyphs are bitmaps."""

    ranges: tuple[int, ...] = ()
    coloured: bool = False


# Modification time and size of the file, ranges, coloured.
_Entry = tuple[list[int], list[int], bool]


class _File(TypedDict):
    version: int
    fonts: dict[str, _Entry]


class Cache:
    """The coverage of font files, cached in one JSON file; a font file that changed is read again."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = _load(path)
        self._changed = False

    def of(self, path: Path) -> Coverage:
        """Return the coverage of a font file: nothing when it is broken or of a kind that cannot be drawn."""
        try:
            stat = path.stat()
            stamp = [stat.st_mtime_ns, stat.st_size]
            known = self._known.get(str(path))
            if known is None or known[0] != stamp:
                found = read(path.read_bytes())
                known = self._known[str(path)] = (stamp, list(found.ranges), found.coloured)
                self._changed = True
        except OSError:
            return Coverage()
        return Coverage(tuple(known[1]), known[2])

    def save(self) -> None:
        """Write the cache. Without it, as in a read-only home, each process reads the fonts."""
        if self._path is None or not self._changed:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps({"version": VERSION, "fonts": self._known}))
            draft.replace(self._path)
        except OSError:
            return


def read(font_file: bytes) -> Coverage:
    """Read the coverage of a font file's first face: nothing when it is broken or of a kind that cannot be drawn."""
    if not _is_complete(font_file):
        return Coverage()
    face = harfbuzz.open_face(font_file)
    if not (face.has_color_png or _has_outlines(face)):
        return Coverage()
    return Coverage(_ranges(sorted(face.unicodes)), bool(face.has_color_png))


def _is_complete(font_file: bytes) -> bool:
    """Return whether all tables of the first face lie within the file: HarfBuzz draws blanks for what is cut off."""
    # A collection (TTC) begins with the offsets of its fonts. OpenType 1.9.1, "Organization of an OpenType font".
    try:
        start = struct.unpack_from(">12xI", font_file)[0] if font_file.startswith(b"ttcf") else 0
        (tables,) = struct.unpack_from(">4xH", font_file, start)
        records = [struct.unpack_from(">8x2I", font_file, start + 12 + 16 * index) for index in range(tables)]
    except struct.error:
        return False
    return all(offset + length <= len(font_file) for offset, length in records)


def _has_outlines(face: harfbuzz.Face) -> bool:
    # In a font whose glyphs are SVG or COLR version 1, the outlines are blank.
    return not (face.has_color_svg or face.has_color_paint or OUTLINES.isdisjoint(face.table_tags))


def _ranges(points: list[int]) -> tuple[int, ...]:
    if not points:
        return ()
    edges = [edge for before, after in pairwise(points) if after > before + 1 for edge in (before, after)]
    return (points[0], *edges, points[-1])


def _load(path: Path | None) -> dict[str, _Entry]:
    try:
        file = cast("_File", json.loads(path.read_bytes())) if path is not None else None
        return file["fonts"] if file is not None and file["version"] == VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
