"""Right-to-left text is put in the visual order of UAX #9."""

import pytest
from bidi import get_display  # pyright: ignore[reportMissingTypeStubs] - it has types, and no marker
from hypothesis import given
from hypothesis import strategies as st

from providers.render.lettering.bidi import levels, visual
from tests.support.property_settings import MODEST


def shown(text: str) -> str:
    """Put one line in visual order, character by character."""
    return "".join(text[index] for index in visual(levels(list(text))[1]))


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("abc def", "abc def"),
        ("אבג", "גבא"),
        ("abc אבג דה def", "abc הד גבא def"),
        ("אבג abc דה", "הד abc גבא"),
        ("אב 12 גד", "דג 12 בא"),
        ("abc 12 def", "abc 12 def"),
        ("abc אב 12", "abc 12 בא"),
        ("אבג!", "!גבא"),
        ("abc אבג!", "abc גבא!"),
        ("12 abc", "12 abc"),
        ("(!)", "(!)"),
        ("", ""),
    ],
)
def test_text_is_reordered_for_both_directions(text: str, order: str) -> None:
    """Words, numbers and punctuation stand where a reader of the script expects them."""
    assert shown(text) == order


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("a (אב) ג", "a (בא) ג"),
        ("אב (cd) ef", "ef )cd( בא"),
        ("a (ב c) ג", "a (ב c) ג"),
        ("אב 12-34 גד", "דג 12-34 בא"),
        ("אב 1.5% גד", "דג 1.5% בא"),
        ("אב $20 גד", "דג $20 בא"),
        ("عر 12-34", "34-12 رع"),
        ("عر ١٢,٣٤", "١٢,٣٤ رع"),
        ("a 12 אב", "a 12 בא"),
        ("אב\u0301ג", "ג\u0301בא"),
    ],
)
def test_text_is_reordered_by_the_rules_of_numbers_and_brackets(text: str, order: str) -> None:
    """Rules W1 to W7 (marks, separators and signs of numbers) and N0 (paired brackets). Mirroring is the shaper's."""
    assert shown(text) == order


@MODEST
@given(text=st.text(st.sampled_from('ab אבעر12٣٤،.,:+-%$()[]!\u0301"\\'), min_size=1))
def test_text_of_one_line_is_reordered_as_by_the_library(text: str) -> None:
    """Levels and rule L2 together give the line that the library gives, whose levels pass Unicode's BidiTest."""
    line = text.rstrip()
    assert shown(line) == get_display(line)


@pytest.mark.parametrize(("text", "paragraph"), [("abc אבג", 0), ("אבג abc", 1), ("12 שלום", 1), ("12!", 0)])
def test_first_letter_decides_the_side_of_text(text: str, paragraph: int) -> None:
    """A paragraph starts on the side of its first strong character (rules P2 and P3)."""
    assert levels(list(text))[0] == paragraph


@MODEST
@given(text=st.text(st.sampled_from("ab אב12،!()")))
def test_text_loses_and_doubles_no_character(text: str) -> None:
    """Reordering is a permutation."""
    order = visual(levels(list(text))[1])
    assert sorted(order) == list(range(len(text)))
