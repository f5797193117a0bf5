"""The fonts of this machine, best first, and the one embedded in Pillow last, which covers ASCII."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from providers.render.lettering import coverage, faces
from providers.render.lettering.faces import Face

SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
# Families that are preferred; the others follow by name.
PREFERRED = ("notosans-", "notosans[", "dejavusans", "liberationsans", "roboto", "opensans", "segoeui", "arial")
SLANTED = re.compile("italic|oblique")
HEAVY = re.compile("bold|black|heavy")
# Fonts that cover every character with boxes or blanks.
PLACEHOLDERS = re.compile("lastresort|adobeblank|adobenotdef|fallback")
# Words in file names, from the least to the most unlike a plain text face.
ODD = ("serif", "condensed", "mono", "thin", "light", "black", "math", "italic", "oblique")
EMOJI = range(0x1F000, 0x1FC00)
# Machines with a typesetting system have thousands; the last ones add nothing to a caption.
MOST_FILES = 800


class Fonts:
    """Finds a face for a text."""

    def __init__(self, files: Iterable[Path] = (), cache: Path | None = None) -> None:
        self._cache = coverage.Cache(cache)
        known = [file for file in files if not PLACEHOLDERS.search(file.name.lower())]
        self._plain = sorted(known, key=lambda file: _rank(file, bold=False))[:MOST_FILES]
        self._bold = sorted(known, key=lambda file: _rank(file, bold=True))[:MOST_FILES]
        self._emoji = [file for file in self._plain if "emoji" in file.name.lower()]
        self.base = Face(None, coverage.read(faces.embedded()).ranges)
        self._faces: dict[Path, Face] = {}
        self._found: dict[tuple[str, bool], Face | None] = {}

    def find(self, text: str, *, bold: bool = False) -> Face | None:
        """Return the best face that covers the text, None if no face does."""
        key = (text, bold)
        if key not in self._found:
            self._found[key] = next((face for face in self._ordered(text, bold=bold) if face.covers(text)), None)
        return self._found[key]

    def save(self) -> None:
        """Save the coverage of the font files for the next process."""
        self._cache.save()

    def _ordered(self, text: str, *, bold: bool) -> Iterable[Face]:
        if any(ord(character) in EMOJI for character in text):
            yield from map(self._face, self._emoji)
        yield from map(self._face, self._bold if bold else self._plain)
        yield self.base

    def _face(self, file: Path) -> Face:
        if file not in self._faces:
            covered = self._cache.of(file)
            self._faces[file] = Face(file, covered.ranges, covered.coloured)
        return self._faces[file]


def installed() -> Fonts:
    """Find the fonts in the standard folders of this system."""
    files = (
        Path(folder, name)
        for root in _folders()
        for folder, _, names in os.walk(root)
        for name in names
        if name.lower().endswith(SUFFIXES)
    )
    return Fonts(files, _xdg("XDG_CACHE_HOME", ".cache") / "scenewire" / "fonts.json")


def _folders() -> list[Path]:
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        return [Path("/Library/Fonts"), Path("/System/Library/Fonts"), home / "Library/Fonts"]
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts")]
    shared = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts")]
    return [*shared, _xdg("XDG_DATA_HOME", ".local/share") / "fonts", home / ".fonts"]


def _xdg(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path(os.path.expanduser("~"), default))


def _rank(file: Path, *, bold: bool) -> tuple[bool, int, bool, int, str, str]:
    name = file.name.lower()
    family = next((i for i, known in enumerate(PREFERRED) if name.startswith(known)), len(PREFERRED))
    odd = sum(2**i for i, word in enumerate(ODD) if word in name)
    heavy = HEAVY.search(name) is not None
    return bool(SLANTED.search(name)), family, heavy != bold, odd, name, str(file)
