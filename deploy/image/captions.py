"""Checks that captions can be drawn: each script has a font, Arabic letters are joined, and Pillow finds FriBidi."""

import sys

from PIL import features

from providers.render.lettering.fonts import Fonts, installed
from providers.render.lettering.shaping import Font

SAMPLES = {
    "Latin": "scene",
    "Greek": "σκηνή",
    "Cyrillic": "сцена",
    "Arabic": "مشهد",
    "Hebrew": "סצנה",
    "Devanagari": "दृश्य",
    "Bengali": "দৃশ্য",
    "Tamil": "காட்சி",
    "Thai": "ฉาก",
    "Tibetan": "བོད་སྐད",
    "Georgian": "სცენა",
    "Armenian": "տեսարան",
    "Amharic": "ትዕይንት",
    "Khmer": "ឈុត",
    "Chinese": "場景场景",
    "Japanese": "シーン場面",
    "Korean": "장면",
    "emoji": "🎬",
}
SIZE = 32


def problems(fonts: Fonts) -> list[str]:
    """Return what is missing, one sentence each."""
    missing = [f"No font has {name}." for name, text in SAMPLES.items() if not _has_font(fonts, text)]
    if not missing and not _joins(fonts, SAMPLES["Arabic"]):
        missing.append("Arabic letters are not joined.")
    if not features.check("raqm") or not features.check("fribidi"):
        missing.append("Pillow finds no FriBidi.")
    return missing


def _has_font(fonts: Fonts, text: str) -> bool:
    face = fonts.find(text)
    return face is not None and face.path is not None


def _joins(fonts: Fonts, text: str) -> bool:
    """Return whether the letters of a word have other glyphs than the same letters alone."""
    face = fonts.find(text)
    if face is None or face.path is None:
        return False
    font = Font(face.path.read_bytes(), SIZE)
    word = [glyph.id for glyph in font.shape(text, rtl=True).glyphs]
    alone = [glyph.id for letter in reversed(text) for glyph in font.shape(letter, rtl=True).glyphs]
    return word != alone


if __name__ == "__main__":
    found = problems(installed())
    for line in found:
        sys.stderr.write(f"captions: {line}\n")
    sys.exit(1 if found else 0)
