"""Answers that are kept until something is written."""

from typing import Any

import orjson
import pytest

from execution.answers import BYTES_OF_ANSWER, MISSES, Answers, Moments
from execution.comparable import MOST_CHARACTERS
from execution.outcomes import Encoded
from tests.support.kept_sample import BoxRow, Context, Kept

ITEMS = "{ boxes { name items } }"


def context(*, moment: object = 1, name: str = "a", **further: Any) -> Context:
    """Return a context with one box."""
    return Context([BoxRow("a", 1, 0, name, 0)], moment=moment, **further)


async def answer(kept: Kept, asked: Context, text: str = ITEMS, **variables: Any) -> Any:
    """Return the data of a query, decoded if it is encoded."""
    data = await kept.answer(asked, text, **variables)
    return orjson.loads(data.json) if isinstance(data, Encoded) else data


async def name(kept: Kept, asked: Context, text: str = ITEMS, **variables: Any) -> str:
    """Return the name of the box in an answer."""
    return (await answer(kept, asked, text, **variables))["boxes"][0]["name"]


async def test_answer_is_repeated_at_the_same_moment() -> None:
    """Without a read: changes that the moment does not show would be missed."""
    kept = Kept()
    assert await name(kept, context()) == "a"
    assert await name(kept, context(name="unseen")) == "a"
    assert (kept.answers.hits, kept.answers.misses) == (1, 1)


@pytest.mark.parametrize("moment", [2, 0])
async def test_answer_of_another_moment_is_made_again(moment: int) -> None:
    """Later or earlier; so is that of the first moment, because only one moment is kept."""
    kept = Kept()
    await answer(kept, context(), "{ boxes { name } }")
    assert await name(kept, context(moment=moment, name="b"), "{ boxes { name } }") == "b"
    assert await name(kept, context(name="c"), "{ boxes { name } }") == "c"
    assert (kept.answers.hits, len(kept.answers)) == (0, 1)


async def test_answer_is_not_kept_at_an_unknown_moment() -> None:
    """Such as while the file is locked."""
    kept = Kept()
    for each in "ab":
        assert await name(kept, context(moment=None, name=each), "{ boxes { name } }") == each
    assert (kept.answers.hits, kept.answers.misses, len(kept.answers)) == (0, 0, 0)


async def test_answer_that_another_moment_has_overtaken_is_not_kept() -> None:
    """It was made while a later moment was asked for."""
    answers = Kept().answers
    assert answers.get(("a",), 1) is None
    assert answers.get(("b",), 2) is None
    answers.put(("a",), 1, {"late": 1})
    assert (answers.get(("a",), 2), len(answers)) == (None, 0)


async def test_answer_for_another_viewer_or_address_is_not_repeated() -> None:
    """Every field may depend on the viewer, and those that declare it on more."""
    kept, text = Kept(), "{ boxes { greeting link } }"
    for viewer, address in (("ada", "here"), ("bob", "here"), ("bob", "there"), ("ada", "here")):
        (box,) = (await answer(kept, context(viewer=viewer, address=address), text))["boxes"]
        assert box == {"greeting": f"{viewer} has a", "link": f"{address}/a"}
    assert kept.answers.hits == 1


async def test_answer_with_other_variables_is_not_repeated() -> None:
    """One that is absent differs from null and from its default, and lists from texts."""
    kept = Kept()
    text = "query($first: Int! = 2, $name: Boolean! = true) { boxes { name @include(if: $name) items(first: $first) } }"
    for variables in ({}, {"first": 1}, {"first": 3}, {"name": False}):
        for _ in "12":
            found = await answer(kept, context(), text, **variables)
            assert len(found["boxes"][0]["items"]) == variables.get("first", 2)
            assert ("name" in found["boxes"][0]) is variables.get("name", True)
    assert kept.answers.hits == 4


async def test_documents_have_answers_of_their_own() -> None:
    """Also operations of one document."""
    kept = Kept()
    for text in ("{ boxes { name } }", "{ boxes { id } }", "{ others: boxes { id } }"):
        for _ in "12":
            (found,) = (await answer(kept, context(), text)).values()
            assert found == [{"name": "a"} if "name" in text else {"id": "a"}]


@pytest.mark.parametrize(
    "text",
    [
        "{ boxes { name now } }",
        "{ boxes { name ... on Box { ...F } } } fragment F on Box { items now }",
        "{ boxes { name } undeclared }",
    ],
)
async def test_answer_is_not_kept_with_a_field_that_depends_on_more(text: str) -> None:
    """Also in fragments and beside others."""
    kept = Kept()
    for each in "ab":
        assert await name(kept, context(name=each), text) == each
    assert (kept.answers.hits, kept.answers.misses) == (0, 0)


async def test_answer_with_long_variables_is_not_kept() -> None:
    """The bytes of keys are not counted."""
    kept, text = Kept(), "query($name: String) { boxes { name items @skip(if: false) } named(name: $name) }"
    for length in (MOST_CHARACTERS - 100, MOST_CHARACTERS + 100):
        for _ in "12":
            assert (await answer(kept, context(), text, name="x" * length))["named"] == length
    assert (kept.answers.hits, kept.answers.misses) == (1, 1)


async def test_moment_that_costs_a_statement_is_asked_for_less_often_while_nothing_is_repeated() -> None:
    """A list that changes with each answer would pay for it in vain."""
    kept, asked = Kept(moments_are_free=False), context()
    for number in range(10 * MISSES):
        asked.moment = number
        await answer(kept, asked)
    assert MISSES < asked.asked <= 2 * MISSES + 2
    before = asked.asked
    for _ in range(2 * MISSES):
        await answer(kept, asked)
    assert asked.asked - before > MISSES - 2
    assert kept.answers.hits > MISSES - 2


def size(length: int) -> int:
    """Return the bytes that a text of this length counts."""
    return len(orjson.dumps("x" * length)) + BYTES_OF_ANSWER


def test_bytes_of_kept_answers_are_bounded() -> None:
    """The least recently used ones are forgotten; the sum is exact, also after another moment."""
    answers = Answers(3 * size(100), Moments(Kept().answers.moments.now, are_free=True), lambda _: None)
    data: Any = "x" * 100
    for moment in (1, 2):
        for number in range(3):
            assert answers.get((number,), moment) is None
            answers.put((number,), moment, data)
        assert answers.get((0,), moment) is not None
        answers.put((3,), moment, data)
        assert [answers.get((number,), moment) is not None for number in range(4)] == [True, False, True, True]
        answers.put((3,), moment, data[:50])
        assert (len(answers), answers.bytes) == (3, 3 * size(100) - 50)
        answers.put((4,), moment, data * 100)
        assert (len(answers), answers.get((4,), moment)) == (3, None)


def test_answer_that_orjson_cannot_encode_is_not_kept() -> None:
    """It is returned as it is."""
    answers = Kept().answers
    assert answers.get((1,), 1) is None
    large = {"n": 2**70}
    assert answers.put((1,), 1, large) is large
    assert (len(answers), answers.bytes) == (0, 0)
