"""One font face: which characters it has, how wide text is in it, and drawing text with it."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from PIL import Image, ImageFont

from providers.render.landscape.palette import Colour
from providers.render.lettering.shaping import Font


@dataclass(frozen=True, slots=True)
class Face:
    """A face; `path` None is the one embedded in Pillow.

    `ranges` lists the first and last code points it covers: a, b, c, d for a..b and c..d, ascending. The glyphs of a
    `coloured` face are bitmaps.
    """

    path: Path | None
    ranges: tuple[int, ...]
    coloured: bool = False

    def covers(self, text: str) -> bool:
        """Return whether the face has every character of the text."""
        return all(self._covers(ord(character)) for character in text)

    def _covers(self, point: int) -> bool:
        after = bisect_right(self.ranges, point)
        return after % 2 == 1 or (after > 0 and self.ranges[after - 1] == point)

    def width(self, text: str, size: int, *, rtl: bool = False) -> float:
        """Measure the advance in pixels of a text of one script, at a font size in pixels."""
        return _open(self.path, size).shape(text, rtl=rtl).width

    def draw(
        self, layer: Image.Image, at: tuple[float, float], text: str, size: int, colour: Colour, *, rtl: bool
    ) -> None:
        """Draw a text of one script on an RGBA layer, its left end and baseline at a place in pixels."""
        font = _open(self.path, size)
        glyphs = font.shape(text, rtl=rtl).glyphs
        # An image counts its rows from the top, a font from the baseline up.
        x, y = at[0], -at[1]
        if self.coloured:
            for glyph in glyphs:
                if (stamp := font.stamp(glyph, (x, y))) is not None:
                    layer.paste(stamp.image, (stamp.left, -stamp.top), stamp.image)
        elif (mask := font.mask(glyphs, (x, y))) is not None:
            layer.paste((*colour, 255), (mask.left, -mask.top), mask.image)


def embedded() -> bytes:
    """Return the font file inside Pillow, which is there on every machine."""
    return cast("ImageFont.FreeTypeFont", ImageFont.load_default(16)).font_bytes


@cache
def _open(path: Path | None, size: int) -> Font:
    return Font(embedded() if path is None else path.read_bytes(), size)
