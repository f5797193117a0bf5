"""Any text becomes clusters that their faces can draw."""

import string
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from providers.render.fonts import Fonts, installed
from providers.render.text import MOST_CHARACTERS, MOST_MARKS, clean, prepare, split

BARE = Fonts()
HERE = installed()

# The plain strategy rarely leaves the first planes or builds sequences; these do.
HARD = [
    "\0\x01\x1f\x7f\x9f\t\n\r\u2028",
    "\u200b\u200e\u202e\u2066\ufeff\u00ad\u034f\u3164\ufe0f\U000e0041",
    "👩‍👩‍👧👍🏽🇩🇪🏴‍☠️❤️1️⃣🫨🎬",
    "北京漢字かなカナ한국어𠀀",
    "العربية שלום فارسی",
    "हिन्दी ไทย ਪੰਜਾਬੀ தமிழ்",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b a\u0300\u0301\u0302\u0303\u0304\u0305\u0306",
    "\u0301\u200d\u0301",
    "\ue000\uf8ff\U000f0000\ufffe\uffff\U0010ffff",
    "½№Ωꙮ﷽𝔘𝓷𝓲𝓬𝓸𝓭𝓮",
    "\ud800\udfff",
]
pieces = st.one_of(st.text(max_size=20), st.text(st.characters(), max_size=20), st.sampled_from(HARD))
texts = st.lists(pieces, max_size=6).map("".join)


@pytest.mark.parametrize("fonts", [BARE, HERE], ids=["pillow alone", "installed"])
@settings(deadline=None)
@given(raw=texts, bold=st.booleans())
def test_every_character_is_covered_by_the_face_it_is_drawn_in(fonts: Fonts, raw: str, bold: bool) -> None:
    """There is never a box for a missing glyph, whatever the text and the fonts of the machine."""
    for cluster in prepare(raw, fonts, bold=bold):
        assert cluster.text
        assert cluster.face.covers(cluster.text)


@settings(deadline=None)
@given(raw=texts)
def test_nothing_invisible_is_left(raw: str) -> None:
    """Controls, direction marks, selectors and fillers are dropped; joiners stay inside what they join."""
    kinds = {unicodedata.category(c) for c in clean(raw) if c not in "\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@settings(deadline=None)
@given(raw=texts)
def test_white_space_is_single_and_inside(raw: str) -> None:
    """Lines never start, end or gape with blanks that came from the input."""
    shown = "".join(cluster.text for cluster in prepare(raw, HERE))
    assert shown == " ".join(shown.split(" ")).strip()
    assert "  " not in shown


@settings(deadline=None)
@given(raw=texts)
def test_cutting_loses_only_marks_that_pile_up(raw: str) -> None:
    """Put together again the clusters are the text, but for the fifth and further marks on one letter."""
    text = clean(raw)
    joined = "".join(split(text))
    dropped = [c for c in text if unicodedata.category(c).startswith("M")]
    assert len(text) - len(joined) <= max(0, len(dropped) - MOST_MARKS)
    assert [c for c in joined if c not in dropped] == [c for c in text if c not in dropped]


@pytest.mark.parametrize("character", string.printable.strip() + "…")
def test_pillows_own_font_draws_all_of_ascii(character: str) -> None:
    """What transliteration yields can be drawn on every machine, and is not the missing glyph."""
    assert BARE.find(character) is BARE.base
    assert ink(character) != ink("\U0010ffff")


def ink(character: str) -> bytes:
    layer = Image.new("RGBA", (60, 60))
    BARE.base.draw(layer, (10, 45), character, 32, (255, 255, 255), rtl=False)
    return layer.tobytes()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("北京 café", "BeiJing cafe"),
        ("go 🚀!", "go :rocket:!"),
        ("Привет", "Privet"),
        ("a\u0300\u0323\u0302", "a"),
        ("fine\tas\r\nit is\0", "fine as it is"),
        ("\ue000\U0010ffff", ""),
        ("", ""),
    ],
)
def test_what_no_font_covers_is_transliterated(raw: str, shown: str) -> None:
    """Readers get letters they can read; what has no letters is left out."""
    assert "".join(cluster.text for cluster in prepare(raw, BARE)) == shown


@pytest.mark.parametrize(
    ("text", "clusters"),
    [
        ("e\u0301a", ["e\u0301", "a"]),
        ("👩\u200d👩\u200d👧x", ["👩\u200d👩\u200d👧", "x"]),
        ("👍🏽👍", ["👍🏽", "👍"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        (" \u0301", [" ", "\u0301"]),
    ],
)
def test_text_is_cut_where_a_reader_sees_a_character_end(text: str, clusters: list[str]) -> None:
    """Marks stay on their letters, joined emoji stay one."""
    assert split(text) == clusters


def test_endless_text_is_cut_before_it_costs_anything() -> None:
    """A prompt of a million characters lays out like one of a thousand."""
    assert len(prepare("x" * 1_000_000, BARE)) == MOST_CHARACTERS
