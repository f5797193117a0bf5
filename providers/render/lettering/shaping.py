"""Text shaped into glyphs and rasterised by HarfBuzz, which comes in its wheel: the same on every machine."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from providers.render.lettering import harfbuzz
from providers.render.lettering.harfbuzz import Buffer
from providers.render.pixels import resized

# HarfBuzz places glyphs in whole units: this many to a pixel.
UNITS = 64
# Without a language HarfBuzz takes that of the process's locale, for which a font may have other glyphs.
NO_LANGUAGE = "und"


class Glyph(NamedTuple):
    """A glyph of a font, and its place in pixels: right of the text's left end, and above the baseline."""

    id: int
    x: float
    y: float


class Shaped(NamedTuple):
    """The glyphs of a text from left to right, and its advance in pixels."""

    glyphs: list[Glyph]
    width: float


class Mark(NamedTuple):
    """An image, and its upper left corner in pixels: right of the origin, and above it."""

    image: Image.Image
    left: int
    top: int


class Font:
    """The first face of a font file at a size in pixels."""

    def __init__(self, font_file: bytes, size: int) -> None:
        self._font = harfbuzz.open_font(harfbuzz.open_face(font_file))
        self._font.scale = (size * UNITS, size * UNITS)

    def shape(self, text: str, *, rtl: bool) -> Shaped:
        """Choose and place the glyphs of a text, which is in reading order, of one script and one direction."""
        buffer = _buffer(text)
        buffer.direction = "rtl" if rtl else "ltr"
        harfbuzz.shape(self._font, buffer)
        glyphs: list[Glyph] = []
        pen = 0
        for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            glyphs.append(Glyph(info.codepoint, (pen + position.x_offset) / UNITS, position.y_offset / UNITS))
            pen += position.x_advance
        return Shaped(glyphs, pen / UNITS)

    def mask(self, glyphs: Sequence[Glyph], at: tuple[float, float]) -> Mark | None:
        """Rasterise the outlines of a text whose left end is at a place; None when no pixel is covered."""
        raster = harfbuzz.new_raster()
        raster.scale_factor = (UNITS, UNITS)
        for glyph in glyphs:
            raster.transform = (1, 0, 0, 1, (at[0] + glyph.x) * UNITS, (at[1] + glyph.y) * UNITS)
            raster.draw_glyph(self._font, glyph.id)
        drawn = raster.render()
        if drawn is None or not drawn.buffer:
            return None
        extents = drawn.extents
        # Pillow's name for rows from the bottom to the top is -1.
        rows = ("raw", "L", extents.stride, -1)
        image = Image.frombytes("L", (extents.width, extents.height), drawn.buffer, *rows)
        return Mark(image, extents.x_origin, extents.y_origin + extents.height)

    def stamp(self, glyph: Glyph, at: tuple[float, float]) -> Mark | None:
        """Scale the colour bitmap of a glyph of a text whose left end is at a place; None when it has no bitmap."""
        png = self._font.get_glyph_color_png(glyph.id).data
        extents = self._font.get_glyph_extents(glyph.id)
        if not png or extents is None:
            return None
        size = (round(extents.width / UNITS), round(-extents.height / UNITS))
        with Image.open(BytesIO(png)) as bitmap:
            image = resized(bitmap.convert("RGBA"), size, Image.Resampling.LANCZOS)
        left, top = extents.x_bearing / UNITS, extents.y_bearing / UNITS
        return Mark(image, round(at[0] + glyph.x + left), round(at[1] + glyph.y + top))


@cache
def script(character: str) -> str | None:
    """Return the script of a character (ISO 15924); None for what all scripts share, as digits and punctuation."""
    return _buffer(character).script


def _buffer(text: str) -> Buffer:
    buffer = harfbuzz.new_buffer()
    buffer.add_str(text)
    buffer.language = NO_LANGUAGE
    buffer.guess_segment_properties()
    return buffer
