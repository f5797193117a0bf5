"""Text is shaped and drawn by HarfBuzz, the same with and without FriBidi on the machine."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageFont

from providers.render.lettering import coverage
from providers.render.lettering.faces import Face
from providers.render.lettering.fonts import Fonts
from providers.render.lettering.layout import block
from tests.support.fonts import BEH, SMILE, arabic_font, emoji_font

SIZE = 20
WHITE = (255, 255, 255)
NON_JOINER = "\u200c"
# The heights of the glyphs in the test font, in tenths of its em square.
ISOLATED, INITIAL, MEDIAL, FINAL, A, ONE, OPENING, CLOSING = 5, 4, 3, 2, 7, 6, 1, 8


def face_of(font_file: bytes, folder: Path) -> Face:
    path = folder / "font.ttf"
    path.write_bytes(font_file)
    covered = coverage.read(font_file)
    return Face(path, covered.ranges, covered.coloured)


@pytest.fixture
def arabic(tmp_path: Path) -> Face:
    return face_of(arabic_font(), tmp_path)


def ink(face: Face, text: str, *, rtl: bool = False) -> Image.Image:
    """Draw a text on a layer that has one em square for each character."""
    layer = Image.new("RGBA", (SIZE * len(text), SIZE))
    face.draw(layer, (0, SIZE), text, SIZE, WHITE, rtl=rtl)
    return layer


def heights(layer: Image.Image) -> list[int]:
    """Return the height of the glyph in each em square that has ink, in tenths of it, from left to right."""
    squares = [layer.crop((x, 0, x + SIZE, SIZE)).getbbox() for x in range(0, layer.width, SIZE)]
    return [round(10 * (box[3] - box[1]) / SIZE) for box in squares if box is not None]


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        (BEH, [ISOLATED]),
        (BEH * 2, [FINAL, INITIAL]),
        (BEH * 4, [FINAL, MEDIAL, MEDIAL, INITIAL]),
        (BEH + NON_JOINER + BEH, [ISOLATED, ISOLATED]),
        (f"{BEH} {BEH * 2}", [FINAL, INITIAL, ISOLATED]),
    ],
    ids=["letter", "pair", "word", "non-joiner", "words"],
)
def test_arabic_text_is_joined(arabic: Face, text: str, forms: Sequence[int]) -> None:
    """A letter takes its initial, medial or final form between its neighbours, drawn from right to left."""
    assert heights(ink(arabic, text, rtl=True)) == forms


def test_arabic_text_is_joined_without_pillows_text_layout(arabic: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would need FriBidi from the system to join letters; its text functions are not called."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("Pillow lays text out")

    for name in ("getmask2", "getlength", "getbbox"):
        monkeypatch.setattr(ImageFont.FreeTypeFont, name, refuse)
    assert arabic.width(BEH * 2, SIZE, rtl=True) == 2 * SIZE
    assert heights(ink(arabic, BEH * 2, rtl=True)) == [FINAL, INITIAL]


def test_brackets_in_right_to_left_text_are_mirrored(arabic: Face) -> None:
    """An opening bracket is drawn with the glyph of a closing one (UAX #9, rule L4)."""
    assert heights(ink(arabic, f"({BEH}", rtl=True)) == [ISOLATED, CLOSING]
    assert heights(ink(arabic, "(A")) == [OPENING, A]


def test_caption_in_two_scripts_is_drawn_in_visual_order(arabic: Face) -> None:
    """Latin letters and a number inside Arabic text keep their own order and the forms around them."""
    assert arabic.path is not None
    caption = block(f"{BEH * 2} A1 {BEH}", Fonts([arabic.path]), size=SIZE, width=400, most_lines=1)
    layer = Image.new("RGBA", (400, SIZE))
    caption.draw(layer, (0, 0), 400, WHITE)
    assert heights(layer) == [ISOLATED, A, ONE, FINAL, INITIAL]


def test_text_without_ink_is_not_drawn(arabic: Face) -> None:
    """A space has a width, and leaves the layer as it is."""
    assert arabic.width(" ", SIZE) == SIZE
    assert ink(arabic, " ").getbbox() is None


def test_emoji_of_a_bitmap_font_is_scaled_to_the_text(tmp_path: Path) -> None:
    """A colour bitmap of 8 pixels is drawn at the size of the text, in its own colour."""
    face = face_of(emoji_font(8, (255, 0, 0)), tmp_path)
    assert face.coloured
    layer = ink(face, SMILE)
    assert layer.getbbox() == (0, 0, SIZE, SIZE)
    assert layer.getpixel((SIZE // 2, SIZE // 2)) == (255, 0, 0, 255)
