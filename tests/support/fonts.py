"""Font files made for a test, so that it does not depend on the fonts of the machine."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, cast

from fontTools import fontBuilder  # pyright: ignore[reportMissingTypeStubs] - it has none
from fontTools.pens import ttGlyphPen  # pyright: ignore[reportMissingTypeStubs] - it has none
from fontTools.ttLib import newTable  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType] - it has none
from fontTools.ttLib.tables import sbixGlyph, sbixStrike  # pyright: ignore[reportMissingTypeStubs] - it has none
from PIL import Image

EM = 1000
BEH, SMILE = "\u0628", "\U0001f600"
_JOINING = """
languagesystem DFLT dflt;
languagesystem arab dflt;
feature init { sub beh by beh.init; } init;
feature medi { sub beh by beh.medi; } medi;
feature fina { sub beh by beh.fina; } fina;
"""
# Each glyph is a block of its own height, by which a test recognizes it.
_HEIGHTS = {
    ".notdef": 1000,
    "space": 0,
    "A": 700,
    "one": 600,
    "parenleft": 100,
    "parenright": 800,
    "beh": 500,
    "beh.init": 400,
    "beh.medi": 300,
    "beh.fina": 200,
}
_CHARACTERS = {" ": "space", "A": "A", "1": "one", "(": "parenleft", ")": "parenright", BEH: "beh"}


def arabic_font() -> bytes:
    """A font with one Arabic letter in its four forms. Every glyph is a block, half as wide as it advances."""
    builder = _builder(list(_HEIGHTS), _CHARACTERS)
    builder.setupGlyf({name: _block(height) for name, height in _HEIGHTS.items()})
    _finish(builder, list(_HEIGHTS))
    builder.addOpenTypeFeatures(_JOINING)
    return _saved(builder)


def emoji_font(pixels: int, colour: tuple[int, int, int]) -> bytes:
    """A font with one emoji: a bitmap of so many pixels, all of one colour, as large as the em square."""
    glyphs = [".notdef", "smile"]
    builder = _builder(glyphs, {SMILE: "smile"})
    builder.setupGlyf({name: _block(EM) for name in glyphs})
    _finish(builder, glyphs)
    png = BytesIO()
    Image.new("RGB", (pixels, pixels), colour).save(png, "PNG")
    table, strike = cast("Any", newTable("sbix")), cast("Any", sbixStrike.Strike(ppem=pixels))
    bitmap = cast("Any", sbixGlyph).Glyph(graphicType="png ", glyphName="smile", imageData=png.getvalue())
    strike.glyphs = {"smile": bitmap}
    table.strikes = {pixels: strike}
    builder.font["sbix"] = table
    return _saved(builder)


def _builder(glyphs: list[str], characters: Mapping[str, str]) -> Any:
    builder = cast("Any", fontBuilder).FontBuilder(EM, isTTF=True)
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap({ord(character): glyph for character, glyph in characters.items()})
    return builder


def _finish(builder: Any, glyphs: list[str]) -> None:
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (EM, 0)))
    builder.setupHorizontalHeader(ascent=EM, descent=0)
    builder.setupNameTable({"familyName": "Test", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()


def _block(height: int) -> Any:
    pen = cast("Any", ttGlyphPen).TTGlyphPen(None)
    if height:
        pen.moveTo((0, 0))
        pen.lineTo((0, height))
        pen.lineTo((EM // 2, height))
        pen.lineTo((EM // 2, 0))
        pen.closePath()
    return pen.glyph()


def _saved(builder: Any) -> bytes:
    file = BytesIO()
    builder.save(file)
    return file.getvalue()
