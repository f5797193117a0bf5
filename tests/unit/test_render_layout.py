"""Text is laid out in lines that fit, with an ellipsis where it is cut, aligned by its direction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from providers.render.lettering.faces import Face
from providers.render.lettering.fonts import Fonts, installed
from providers.render.lettering.layout import Block, Line, block
from providers.render.lettering.text import clean, split
from tests.support.property_settings import MODEST
from tests.unit.test_render_text import texts

BARE = Fonts()
HERE = installed()


def laid(raw: str, *, width: int = 400, most_lines: int = 50, size: int = 20, fonts: Fonts = HERE) -> Block:
    return block(raw, fonts, size=size, width=width, most_lines=most_lines)


def words(line: Line) -> str:
    return "".join(run.text for run in line.runs)


@MODEST
@given(raw=texts, width=st.integers(120, 700), size=st.integers(6, 48), most_lines=st.integers(1, 6))
def test_text_lines_fit_their_width(raw: str, width: int, size: int, most_lines: int) -> None:
    """Except a single character that is wider; shaping may stretch a split word by a twentieth."""
    lines = laid(raw, width=width, size=size, most_lines=most_lines).lines
    assert len(lines) <= most_lines
    assert all(line.width <= width * 1.05 or len(split(words(line))) == 1 for line in lines)


@MODEST
@given(raw=texts)
def test_text_of_any_kind_can_be_drawn(raw: str) -> None:
    """Layout and drawing raise no error."""
    layer = Image.new("RGBA", (200, 100))
    laid(raw, width=180, most_lines=3).draw(layer, (10, 10), 180, (255, 255, 255))


def test_text_wraps_at_spaces() -> None:
    """Lines end between words, and no word is lost."""
    lines = [words(line) for line in laid("the quick brown fox jumps over the lazy dog " * 3, width=200).lines]
    assert len(lines) > 3
    assert " ".join(lines) == clean("the quick brown fox jumps over the lazy dog " * 3)


def test_text_without_spaces_is_split_at_any_letter() -> None:
    """A long URL stays inside the picture."""
    lines = laid("x" * 100, width=200).lines
    assert len(lines) > 1
    assert "".join(words(line) for line in lines) == "x" * 100


def test_text_that_does_not_fit_ends_in_an_ellipsis() -> None:
    """The last line is as full as possible."""
    cut = laid("word " * 100, width=300, most_lines=2)
    assert len(cut.lines) == 2
    assert words(cut.lines[-1]).endswith("…")
    assert cut.lines[-1].width > 200


@pytest.mark.parametrize("most_lines", [3, 4])
def test_text_that_fits_has_no_ellipsis(most_lines: int) -> None:
    """Text that fills its lines exactly is not cut."""
    whole = laid("word " * 14, width=300, most_lines=50)
    assert len(whole.lines) == 3
    assert laid("word " * 14, width=300, most_lines=most_lines) == whole


@pytest.mark.parametrize("width", range(240, 320, 20))
def test_text_of_ideographs_wraps_without_spaces_but_not_before_a_full_stop(width: int) -> None:
    """No line starts with closing punctuation (the first rule of kinsoku)."""
    lines = laid("東京。" * 60, width=width, fonts=Wide()).lines
    assert len(lines) > 3
    assert not any(words(line).startswith("。") for line in lines)


class Wide(Fonts):
    """Fonts whose face claims to cover every character: the glyphs are wrong, the line breaks are not."""

    def find(self, text: str, *, bold: bool = False) -> Face:
        return self.base


def test_text_that_is_right_to_left_is_aligned_to_the_right() -> None:
    """As a Hebrew or Arabic caption."""
    if HERE.find("ש") is None:
        pytest.skip("no font with Hebrew is installed")
    right = laid("שלום עולם")
    assert right.rtl
    layer = Image.new("RGBA", (400, 60))
    right.draw(layer, (0, 0), 400, (255, 255, 255))
    box = layer.getbbox()
    assert box is not None
    assert box[0] > 200
    assert box[2] > 390


def test_text_of_two_directions_is_drawn_in_visual_order() -> None:
    """English inside Hebrew is between its neighbours, each run in reading order."""
    if HERE.find("ש") is None:
        pytest.skip("no font with Hebrew is installed")
    (line,) = laid("שלום Tel Aviv עולם").lines
    assert [(run.text.strip(), run.rtl) for run in line.runs if run.text.strip()] == [
        ("עולם", True),
        ("Tel Aviv", False),
        ("שלום", True),
    ]


def test_text_that_is_invisible_has_no_lines() -> None:
    """Nor has an empty one."""
    assert laid("\0 \u200b\n").lines == []
    assert laid("").height == 0
