"""Any text becomes clusters, each with a face that covers it."""

import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from providers.render.lettering.fonts import Fonts, installed
from providers.render.lettering.text import MOST_CHARACTERS, MOST_MARKS, clean, prepare, split
from tests.support.property_settings import MODEST

BARE = Fonts()
HERE = installed()

# The plain strategy rarely makes sequences or characters of higher planes.
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
@MODEST
@given(raw=texts, bold=st.booleans())
def test_text_is_covered_by_its_faces(fonts: Fonts, raw: str, bold: bool) -> None:
    """No box for a missing glyph is drawn, for any text and any fonts of the machine."""
    for cluster in prepare(raw, fonts, bold=bold):
        assert cluster.text
        assert cluster.face.covers(cluster.text)


@MODEST
@given(raw=texts)
def test_clean_text_has_no_invisible_characters(raw: str) -> None:
    """Controls, direction marks, selectors and fillers are dropped; joiners are kept."""
    kinds = {unicodedata.category(c) for c in clean(raw) if c not in "\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@MODEST
@given(raw=texts)
def test_prepared_text_has_single_spaces_between_words(raw: str) -> None:
    """And none at its start and end."""
    shown = "".join(cluster.text for cluster in prepare(raw, HERE))
    assert shown == " ".join(shown.split(" ")).strip()
    assert "  " not in shown


@MODEST
@given(raw=texts)
def test_split_text_loses_surplus_marks_only(raw: str) -> None:
    """Joined again, the clusters are the text, except for the fifth and further marks on one letter."""
    text = clean(raw)
    joined = "".join(split(text))
    dropped = [c for c in text if unicodedata.category(c).startswith("M")]
    assert len(text) - len(joined) <= max(0, len(dropped) - MOST_MARKS)
    assert [c for c in joined if c not in dropped] == [c for c in text if c not in dropped]


@pytest.mark.parametrize("character", string.printable.strip() + "…")
def test_font_of_pillow_draws_ascii(character: str) -> None:
    """The result of a transliteration can be drawn on every machine, and is not the missing glyph."""
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
def test_text_that_no_font_covers_is_transliterated(raw: str, shown: str) -> None:
    """Characters without a transliteration are dropped."""
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
def test_text_is_split_into_user_perceived_characters(text: str, clusters: list[str]) -> None:
    """Marks stay with their letters, and joined emoji together."""
    assert split(text) == clusters


def test_long_text_is_truncated() -> None:
    """A prompt of a million characters costs as much as one of a thousand."""
    assert len(prepare("x" * 1_000_000, BARE)) == MOST_CHARACTERS
