"""Rendered objects that are kept by their version."""

from typing import Any

import orjson
import pytest

from execution.fragments import BYTES_OF_ENTRY, Fragments
from server.transports.payloads import encode
from tests.support.kept_sample import BoxRow, Context, Kept

ITEMS = "{ boxes { name items } }"


def box(name: str = "a", version: int = 1, *, moves: int = 0, level: int = 0) -> BoxRow:
    """Return a box whose id is its name."""
    return BoxRow(name, version, moves, name, level)


async def answer(kept: Kept, context: Context, text: str, **variables: Any) -> Any:
    """Return the data of a query, decoded from what is sent."""
    return orjson.loads(encode(await kept.answer(context, text, **variables)))


async def test_object_is_read_again_only_after_its_version_has_changed() -> None:
    """The others of the list are not read either."""
    kept, context = Kept(), Context([box("a"), box("b")])
    first = await answer(kept, context, ITEMS)
    assert first == await answer(kept, context, ITEMS)
    assert context.loaded == 2
    context.boxes[1] = box("b", 2)._replace(name="new")
    assert await answer(kept, context, ITEMS) == {
        "boxes": [{"name": "a", "items": ["a.0"]}, {"name": "new", "items": ["b.0"]}]
    }
    assert context.loaded == 3
    assert (kept.fragments.hits, kept.fragments.misses, len(kept.fragments)) == (3, 3, 2)


async def test_older_version_is_not_answered_with_a_newer_object() -> None:
    """Snapshots of two operations may differ in either direction."""
    kept = Kept()
    await answer(kept, Context([box("a", 2)._replace(name="new")]), ITEMS)
    assert await answer(kept, Context([box("a", 1)]), ITEMS) == {"boxes": [{"name": "a", "items": ["a.0"]}]}


async def test_object_of_another_viewer_is_not_answered() -> None:
    """Every field may depend on the viewer and its rights."""
    kept, text = Kept(), "{ boxes { greeting items } }"
    for viewer in ("ada", "bob", "ada"):
        found = await answer(kept, Context([box()], viewer=viewer), text)
        assert found["boxes"][0]["greeting"] == f"{viewer} has a"


async def test_moving_column_is_answered_as_it_is_now() -> None:
    """Of the same version; objects that do not move are kept without a look at what moves."""
    kept, text = Kept(), "{ boxes { level items } }"
    for level in (1, 2, 2):
        context = Context([box(moves=1, level=level), box("still")], moving={"a": level})
        assert (await answer(kept, context, text))["boxes"][0]["level"] == level
    assert (kept.fragments.hits, kept.fragments.misses) == (3, 3)


async def test_key_of_a_field_belongs_to_the_object() -> None:
    """Such as the address in its links."""
    kept, text = Kept(), "{ boxes { link items } }"
    for address in ("here", "there", "here"):
        found = await answer(kept, Context([box()], address=address), text)
        assert found["boxes"][0]["link"] == f"{address}/a"


@pytest.mark.parametrize(
    "text",
    [
        "{ boxes { now items } }",
        "{ boxes { items(hidden: true) } }",
        "query($hidden: Boolean! = true) { boxes { items(hidden: $hidden) } }",
        "{ boxes { ... on Box { ...F } } } fragment F on Box { items now }",
        "{ boxes { name } }",
    ],
)
async def test_object_is_not_kept_with_a_field_that_may_change_without_version(text: str) -> None:
    """Also in fragments, and by argument. Objects without relations are not kept either: they are made faster."""
    kept, context = Kept(), Context([box()])
    for _ in "12":
        await answer(kept, context, text)
    assert (len(kept.fragments), kept.fragments.hits, kept.fragments.misses) == (0, 0, 0)


async def test_false_argument_counts_as_not_given() -> None:
    """If it is written in the document."""
    kept, context = Kept(), Context([box()])
    for _ in "12":
        await answer(kept, context, "{ boxes { items(hidden: false) } }")
    assert kept.fragments.hits == 1


async def test_variables_below_an_object_belong_to_its_key() -> None:
    """Others do not; one that is absent differs from null, and so do values of different types."""
    kept, context = Kept(), Context([box()])
    text = "query($first: Int! = 2, $name: Boolean!) { boxes { items(first: $first) name @include(if: $name) } }"
    for first in (1, 3, 1):
        found = await answer(kept, context, text, first=first, name=True)
        assert len(found["boxes"][0]["items"]) == first
    assert len((await answer(kept, context, text, name=True))["boxes"][0]["items"]) == 2
    assert "name" not in (await answer(kept, context, text, first=1, name=False))["boxes"][0]
    assert kept.fragments.hits == 1


async def test_places_and_documents_have_objects_of_their_own() -> None:
    """One object is rendered differently by each."""
    kept, context = Kept(), Context([box()])
    for _ in "12":
        found = await answer(kept, context, "{ one: boxes { items } two: boxes { id items } }")
        assert found == {"one": [{"items": ["a.0"]}], "two": [{"id": "a", "items": ["a.0"]}]}
    assert (await answer(kept, context, "{ boxes { i: items } }"))["boxes"] == [{"i": ["a.0"]}]


def test_bytes_of_kept_objects_are_bounded() -> None:
    """The least recently used ones are forgotten; the sum is exact."""
    size = len(orjson.dumps("x" * 100)) + BYTES_OF_ENTRY
    fragments = Fragments(3 * size, lambda _: None)
    for number in range(3):
        fragments.put((number, ""), 1, "x" * 100)
    assert fragments.get((0, ""), 1) is not None
    fragments.put((3, ""), 1, "x" * 100)
    assert [fragments.get((number, ""), 1) is not None for number in range(4)] == [True, False, True, True]
    fragments.put((3, ""), 2, "x" * 50)
    assert (len(fragments), fragments.bytes) == (3, 3 * size - 50)
    fragments.put((4, ""), 1, "x" * 4 * size)
    assert (len(fragments), fragments.get((4, ""), 1)) == (3, None)


def test_object_that_orjson_cannot_encode_is_not_kept() -> None:
    """The standard library encodes the whole answer then, with kept objects in it."""
    fragments = Fragments(10_000, lambda _: None)
    large = {"n": 2**70}
    assert fragments.put((1, ""), 1, large) is large
    small = fragments.put((2, ""), 1, {"n": 1.5, "t": "ü"})
    assert encode([large, small]) == b'[{"n":1180591620717411303424},{"n":1.5,"t":"\\u00fc"}]'
    assert len(fragments) == 1
