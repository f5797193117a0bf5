"""Right-to-left text comes out in the order of UAX #9."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.render.bidi import levels, visual


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
def test_lines_read_in_both_directions(text: str, order: str) -> None:
    """Words, numbers and punctuation stand where a reader of the script expects them."""
    assert shown(text) == order


@pytest.mark.parametrize(("text", "paragraph"), [("abc אבג", 0), ("אבג abc", 1), ("12 שלום", 1), ("12!", 0)])
def test_the_first_letter_decides_the_side(text: str, paragraph: int) -> None:
    """A paragraph starts on the side of its first strong character (rules P2 and P3)."""
    assert levels(list(text))[0] == paragraph


@settings(deadline=None)
@given(text=st.text(st.sampled_from("ab אב12،!()")))
def test_nothing_is_lost_or_doubled(text: str) -> None:
    """Reordering is a permutation."""
    order = visual(levels(list(text))[1])
    assert sorted(order) == list(range(len(text)))
