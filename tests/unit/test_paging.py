"""Windows, pages and cursors (Relay cursor connections specification)."""

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain import paging
from models.domain.errors import ErrorCode, Invalid
from models.domain.paging import Beyond, Page, Window
from tests.support.property_settings import MODEST

# The key of a row may hold any text that can be stored.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
keys = st.lists(texts, max_size=4)

NOTHING: list[int] = []


def cursor_of(value: object) -> str:
    """Return a forged cursor."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def key_or_refusal(cursor: str) -> tuple[str, ...] | Invalid | None:
    try:
        return paging.decode("before", cursor)
    except Invalid as refusal:
        return refusal


@MODEST
@given(keys)
def test_cursor_decodes_to_its_key(key: list[str]) -> None:
    """A cursor needs no escaping in a URL."""
    cursor = paging.encode(key)
    assert paging.decode("after", cursor) == tuple(key)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)


@MODEST
@given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_text_as_cursor_is_decoded_or_refused(cursor: str) -> None:
    """The error names the argument."""
    found = key_or_refusal(cursor)
    if isinstance(found, Invalid):
        assert (found.code, found.path) == (ErrorCode.VALIDATION_FAILED, ["before"])
    else:
        assert all("\0" not in part and part == part.encode().decode() for part in found or ())


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "é",
        "====",
        cursor_of({"position": 1}),
        cursor_of("position"),
        cursor_of(["position", 1]),
        cursor_of(["position", None]),
        cursor_of(["a\0b"]),
        cursor_of(["\ud800"]),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
    ids=["empty", "not ascii", "padding", "object", "bare", "number", "null", "NUL", "surrogate", "deep", "not utf-8"],
)
def test_forged_cursor_is_refused(cursor: str) -> None:
    """The error names the argument."""
    with pytest.raises(Invalid) as refused:
        paging.decode("after", cursor)
    assert refused.value.path == ["after"]


def test_missing_cursor_has_no_key() -> None:
    """A missing argument decodes to None."""
    assert paging.decode("after", None) is None


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, Window(20)),
        (1, None, Window(1)),
        (100, None, Window(100)),
        (None, 1, Window(1, backward=True)),
        (None, 100, Window(100, backward=True)),
    ],
)
def test_page_size_of_a_window(first: int | None, last: int | None, expected: Window) -> None:
    """From either end, at most 100, and 20 by default."""
    assert paging.window(first=first, after=None, last=last, before=None) == expected


def test_window_between_two_cursors() -> None:
    """Both cursors are decoded; without a default page size the window is the whole list."""
    after, before = paging.encode(["POSITION", "1", "a"]), paging.encode(["POSITION", "5", "b"])
    window = paging.window(first=None, after=after, last=None, before=before, default=None)
    assert window == Window(None, after=("POSITION", "1", "a"), before=("POSITION", "5", "b"))


@pytest.mark.parametrize(
    ("first", "last", "named"),
    [
        (0, None, "first"),
        (101, None, "first"),
        (-1, None, "first"),
        (None, 0, "last"),
        (None, 101, "last"),
        (1, 1, "last"),
    ],
)
def test_invalid_page_size_is_refused(first: int | None, last: int | None, named: str) -> None:
    """The error names the invalid argument."""
    with pytest.raises(Invalid) as refused:
        paging.window(first=first, after=None, last=last, before=None)
    assert refused.value.path == [named]


def select(numbers: list[int], window: Window) -> list[int]:
    """Return what a query finds: between the cursors, in the direction of the window, one more than its limit."""
    low = int(window.after[0]) if window.after else -1
    high = int(window.before[0]) if window.before else len(numbers)
    found = [number for number in numbers if low < number < high]
    found = found[::-1] if window.backward else found
    return found if window.limit is None else found[: window.limit + 1]


def beyond(numbers: list[int], window: Window) -> Beyond:
    """Return which sides of the cursors have numbers."""
    return Beyond(
        after=window.after is not None and any(number <= int(window.after[0]) for number in numbers),
        before=window.before is not None and any(number >= int(window.before[0]) for number in numbers),
    )


@MODEST
@given(st.integers(0, 30), st.integers(1, 7), st.booleans())
def test_all_pages_together_are_the_whole_list(size: int, limit: int, backward: bool) -> None:
    """From either end, every item comes once and in order."""
    numbers, seen = list(range(size)), list[int]()
    window = Window(limit, backward=backward)
    while True:
        page = paging.page(select(numbers, window), window, beyond(numbers, window))
        assert list(page.items) == sorted(page.items)
        assert len(page.items) <= limit
        seen = [*page.items, *seen] if backward else [*seen, *page.items]
        if not (page.has_previous if backward else page.has_next):
            break
        key = (str(page.items[0 if backward else -1]),)
        window = Window(limit, backward=True, before=key) if backward else Window(limit, after=key)
    assert seen == numbers


@pytest.mark.parametrize(
    ("found", "window", "beyond", "expected"),
    [
        ([], Window(2), Beyond(), Page(NOTHING, has_next=False, has_previous=False)),
        ([1, 2], Window(2), Beyond(), Page([1, 2], has_next=False, has_previous=False)),
        ([1, 2, 3], Window(2), Beyond(), Page([1, 2], has_next=True, has_previous=False)),
        ([2, 3], Window(2), Beyond(after=True), Page([2, 3], has_next=False, has_previous=True)),
        ([2, 3], Window(2), Beyond(before=True), Page([2, 3], has_next=True, has_previous=False)),
        ([3, 2, 1], Window(2, backward=True), Beyond(), Page([2, 3], has_next=False, has_previous=True)),
        ([3, 2], Window(2, backward=True), Beyond(before=True), Page([2, 3], has_next=True, has_previous=False)),
        ([3, 2], Window(2, backward=True), Beyond(after=True), Page([2, 3], has_next=False, has_previous=True)),
        ([1, 2, 3], Window(None), Beyond(), Page([1, 2, 3], has_next=False, has_previous=False)),
    ],
)
def test_page_examples(found: list[int], window: Window, beyond: Beyond, expected: Page[int]) -> None:
    """A page is cut to its limit, in the order of the list, and reports whether there are items on either side."""
    assert paging.page(found, window, beyond) == expected
