"""One font face: which characters it has, how wide text is in it, and drawing text with it."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import cast

from PIL import Image, ImageDraw, ImageFont, features

from providers.render.palette import Colour
from providers.render.pixels import resized

# Raqm shapes Arabic, Indic and joined emoji; without it, right-to-left text is only put in visual order.
SHAPES = features.check("raqm")
MIRRORED = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")


@dataclass(frozen=True, slots=True)
class Face:
    """A face; `path` None is the one embedded in Pillow.

    `ranges` lists the first and last code points it covers: a, b, c, d for a..b and c..d, ascending. `strike` is
    the only size, in pixels, of a face made of colour bitmaps.
    """

    path: Path | None
    ranges: tuple[int, ...]
    strike: int | None = None

    def covers(self, text: str) -> bool:
        """Say whether the face has every character of the text."""
        return all(self._covers(ord(character)) for character in text)

    def _covers(self, point: int) -> bool:
        after = bisect_right(self.ranges, point)
        return after % 2 == 1 or (after > 0 and self.ranges[after - 1] == point)

    def width(self, text: str, size: int, *, rtl: bool = False) -> float:
        """Measure the text's advance in pixels at a font size in pixels."""
        shown, direction = _ordered(text, rtl=rtl)
        if self.strike is not None:
            return _open(self.path, self.strike).getlength(shown, direction=direction) * size / self.strike
        return _open(self.path, size).getlength(shown, direction=direction)

    def draw(
        self, layer: Image.Image, at: tuple[float, float], text: str, size: int, colour: Colour, *, rtl: bool
    ) -> None:
        """Draw the text on an RGBA layer, its left end and baseline at a place in pixels."""
        if self.strike is not None:
            self._stamp(layer, at, text, size, rtl=rtl)
            return
        shown, direction = _ordered(text, rtl=rtl)
        ImageDraw.Draw(layer).text(
            at, shown, fill=colour, font=_open(self.path, size), anchor="ls", direction=direction
        )

    def _stamp(self, layer: Image.Image, at: tuple[float, float], text: str, size: int, *, rtl: bool) -> None:
        strike = self.strike or size
        scale = size / strike
        wide = max(1, round(self.width(text, strike, rtl=rtl)))
        stamp = Image.new("RGBA", (wide, 2 * strike))
        shown, direction = _ordered(text, rtl=rtl)
        ImageDraw.Draw(stamp).text(
            (0, strike),
            shown,
            font=_open(self.path, strike),
            anchor="ls",
            direction=direction,
            embedded_color=True,
        )
        small = resized(stamp, (round(wide * scale), 2 * size), Image.Resampling.LANCZOS)
        layer.paste(small, (round(at[0]), round(at[1]) - size), small)


def embedded() -> bytes:
    """Return the font file inside Pillow, which is there on every machine."""
    return cast("ImageFont.FreeTypeFont", ImageFont.load_default(16)).font_bytes


@cache
def _open(path: Path | None, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(BytesIO(embedded()) if path is None else path, size)


def _ordered(text: str, *, rtl: bool) -> tuple[str, str | None]:
    if SHAPES:
        return text, "rtl" if rtl else "ltr"
    return (text[::-1].translate(MIRRORED), None) if rtl else (text, None)
