"""Prepares text for drawing: cleans it, splits it into clusters, and finds a face that covers each cluster."""

import unicodedata
from dataclasses import dataclass

from anyascii import anyascii

from providers.render.lettering.faces import Face
from providers.render.lettering.fonts import Fonts

# More than this is never legible on a clip, and shaping it costs time.
MOST_CHARACTERS = 1000
# More marks on one letter would overlap the lines around it.
MOST_MARKS = 4
JOINERS = "\u200c\u200d"
# Default_Ignorable_Code_Point of the Unicode character database, except category Cf.
INVISIBLE = frozenset(
    chr(point)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2065, 0x2065),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xFFF0, 0xFFF8),
        (0xE0000, 0xE0FFF),
    )
    for point in range(first, last + 1)
)
SKIN_TONES = range(0x1F3FB, 0x1F400)
FLAGS = range(0x1F1E6, 0x1F200)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A user-perceived character, and the face it is drawn in."""

    text: str
    face: Face

    @property
    def is_space(self) -> bool:
        """Return whether a line may end here."""
        return self.text == " "


def prepare(raw: str, fonts: Fonts, *, bold: bool = False) -> list[Cluster]:
    """Turn any string into drawable clusters; characters that no font covers are transliterated or dropped."""
    drawable: list[Cluster] = []
    for piece in split(clean(raw)):
        for cluster in _faced(piece, fonts, bold=bold):
            if not cluster.is_space:
                drawable.append(cluster)
            elif drawable and not drawable[-1].is_space:
                drawable.append(_space_after(drawable[-1], cluster))
    while drawable and drawable[-1].is_space:
        drawable.pop()
    return drawable


def clean(raw: str) -> str:
    """Drop invisible characters, and reduce white space to single spaces."""
    composed = unicodedata.normalize("NFC", raw[:MOST_CHARACTERS])
    return " ".join("".join(_visible(character) for character in composed).split())


def split(text: str) -> list[str]:
    """Split text into user-perceived characters, close to the extended grapheme clusters of UAX #29."""
    pieces: list[str] = []
    for character in text:
        if pieces and _continues(pieces[-1], character):
            pieces[-1] += character
        else:
            pieces.append(character)
    return [_thinned(piece) for piece in pieces]


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    if character in JOINERS:
        return character
    hidden = character in INVISIBLE or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")
    return "" if hidden else character


def _continues(piece: str, character: str) -> bool:
    if piece == " ":
        return False
    if character in JOINERS or unicodedata.category(character).startswith("M"):
        return True
    if ord(character) in FLAGS:
        return len(piece) == 1 and ord(piece) in FLAGS
    return ord(character) in SKIN_TONES or piece.endswith("\u200d")


def _thinned(piece: str) -> str:
    marks = 0
    kept = ""
    for character in piece:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        kept += character if marks <= MOST_MARKS else ""
    return kept


def _faced(piece: str, fonts: Fonts, *, bold: bool) -> list[Cluster]:
    for attempt in (piece, piece.strip(JOINERS), _without_marks(piece)):
        face = fonts.find(attempt, bold=bold) if attempt else None
        if face is not None:
            return [Cluster(attempt, face)]
    if len(piece) > 1:
        return [cluster for character in piece for cluster in _faced(character, fonts, bold=bold)]
    return [
        Cluster(letter, fonts.find(letter, bold=bold) or fonts.base)
        for letter in anyascii(piece)
        if letter.isprintable()
    ]


def _space_after(before: Cluster, space: Cluster) -> Cluster:
    """Keep the face across a space, so that a run is shaped as a whole. The spaces of emoji fonts are too wide."""
    keeps = not before.face.coloured and before.face.covers(space.text)
    return Cluster(space.text, before.face) if keeps else space


def _without_marks(piece: str) -> str:
    return "".join(c for c in piece if c not in JOINERS and not unicodedata.category(c).startswith("M"))
