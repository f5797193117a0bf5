"""Types of the part of uharfbuzz that is used here: https://uharfbuzz.readthedocs.io."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, cast

import uharfbuzz  # pyright: ignore[reportMissingTypeStubs] - it has none


class Blob(Protocol):
    """Bytes that HarfBuzz holds."""

    @property
    def data(self) -> bytes: ...


class Face(Protocol):
    """A font face. HarfBuzz ignores what is broken in a font file: an unreadable one has no tables and no glyphs."""

    has_color_paint: int
    has_color_png: int
    has_color_svg: int
    table_tags: Sequence[str]
    unicodes: Iterable[int]


class Extents(NamedTuple):
    """The box of a glyph: its upper left corner, its width, and its height, which is negative."""

    x_bearing: int
    y_bearing: int
    width: int
    height: int


class Font(Protocol):
    """A face at a size, `scale` being its em square in units."""

    scale: tuple[int, int]

    def get_glyph_color_png(self, glyph: int, /) -> Blob: ...
    def get_glyph_extents(self, glyph: int, /) -> Extents | None: ...


class GlyphInfo(Protocol):
    """After shaping, `codepoint` is the id of a glyph."""

    codepoint: int


class GlyphPosition(Protocol):
    """Where a glyph is drawn from the pen's place, and how far the pen moves afterwards."""

    x_offset: int
    y_offset: int
    x_advance: int


class Buffer(Protocol):
    """Text before shaping, glyphs after."""

    direction: str
    language: str
    glyph_infos: Sequence[GlyphInfo]
    glyph_positions: Sequence[GlyphPosition]

    @property
    def script(self) -> str | None: ...
    def add_str(self, text: str, /) -> None: ...
    def guess_segment_properties(self) -> None: ...


class RasterExtents(Protocol):
    """The size of an image in pixels, and the place of its lower left corner; `stride` is the bytes of a row."""

    x_origin: int
    y_origin: int
    width: int
    height: int
    stride: int


class RasterImage(Protocol):
    """An image of 8-bit coverage, its rows from the bottom to the top."""

    buffer: bytes
    extents: RasterExtents


class RasterDraw(Protocol):
    """Rasterises the outlines that were added to it; `scale_factor` is how many units a pixel has."""

    scale_factor: tuple[float, float]
    transform: tuple[float, float, float, float, float, float]

    def draw_glyph(self, font: Font, glyph: int, /) -> None: ...
    def render(self) -> RasterImage | None: ...


_untyped = cast("Any", uharfbuzz)
new_buffer: Callable[[], Buffer] = _untyped.Buffer
new_raster: Callable[[], RasterDraw] = _untyped.RasterDraw
open_font: Callable[[Face], Font] = _untyped.Font
shape: Callable[[Font, Buffer], None] = _untyped.shape


def open_face(font_file: bytes) -> Face:
    """Open the first face of a font file."""
    return _untyped.Face(_untyped.Blob(font_file))
