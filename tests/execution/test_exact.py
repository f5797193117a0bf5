"""What is kept of encoded answers takes the memory that is counted for it."""

import tracemalloc
from collections.abc import Callable

import orjson
import pytest
from strawberry.types import ExecutionResult

from execution.answers import Answers, Moments
from execution.fragments import Fragments
from server.transports.shared.execution import encoded
from tests.support.kept_sample import Kept

KEPT = 1_000
# Of Python's objects around each; a result of orjson takes 4 KB.
MOST_BYTES_OF_EACH = 1_500


def kept_answers() -> object:
    answers = Answers(10_000_000, Moments(Kept().answers.moments.now, are_free=True), lambda _: None)
    answers.get((), 1)
    for number in range(KEPT):
        answers.put((number,), 1, {"number": number})
    assert len(answers) == KEPT
    return answers


def kept_fragments() -> object:
    fragments = Fragments(10_000_000, lambda _: None)
    for number in range(KEPT):
        fragments.put((number,), 1, {"number": number})
    assert len(fragments) == KEPT
    return fragments


def kept_messages() -> object:
    return [encoded(ExecutionResult(data={"number": number}, errors=None)) for number in range(KEPT)]


@pytest.mark.parametrize("keep", [kept_answers, kept_fragments, kept_messages])
def test_short_encoded_values_take_little_memory(keep: Callable[[], object]) -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = keep()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept is not None
    assert taken < KEPT * MOST_BYTES_OF_EACH


def test_orjson_takes_more_for_each_result() -> None:
    """Otherwise they need no copy."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [orjson.dumps({"number": number}) for number in range(KEPT)]
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(kept) == KEPT
    assert taken > KEPT * MOST_BYTES_OF_EACH
