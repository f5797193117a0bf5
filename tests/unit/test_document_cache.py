"""The cache of parsed documents."""

import gc
import tracemalloc
from collections.abc import Callable

import pytest
from graphql import GraphQLError

from server.graphql.schema import executable_schema
from server.transports.documents.documents import CACHEABLE_CHARACTERS, MOST_DERIVED, DocumentCache, ParsedDocument

TEXT = "{ a0 }"


def test_document_is_parsed_once() -> None:
    """For each limit on tokens."""
    cache = DocumentCache()
    assert cache.parsed(TEXT, None) is cache.parsed(TEXT, None)
    assert cache.parsed(TEXT, 10) is not cache.parsed(TEXT, None)


def test_cached_bytes_are_bounded() -> None:
    """The least recently used documents are forgotten; the estimate follows the text."""
    size = DocumentCache().parsed(TEXT, None).bytes
    cache = DocumentCache(3 * size)
    first = cache.parsed("{ a0 }", None)
    for number in range(1, 4):
        assert cache.parsed("{ a0 }", None) is first
        cache.parsed(f"{{ a{number} }}", None)
    assert (len(cache), cache.bytes) == (3, 3 * size)
    assert cache.parsed("{ a0 }", None) is first


FILLINGS: dict[str, Callable[[int], str]] = {
    "short documents with an error": lambda number: f"{{a{number}}}",
    "short valid documents": lambda number: f"{{a{number}:__typename}}",
    "many errors": lambda number: f"{{serverInfo{{a{number} {' '.join(f'x{each}' for each in range(100))}}}}}",
    "many short tokens": lambda number: f"{{a{number}:job(id:[{'1 ' * 300}]){{id}}}}",
    "many characters": lambda number: f'{{a{number}:job(id:"{chr(0x4E2D) * 5_000}"){{id}}}}',
}


@pytest.mark.slow
@pytest.mark.parametrize("text", FILLINGS.values(), ids=[name.replace(" ", "_") for name in FILLINGS])
def test_estimate_of_bytes_is_no_less_than_the_memory(text: Callable[[int], str]) -> None:
    """Of the tree with what validation derives from it, so that no kind of document fills more than the bound."""
    schema = executable_schema(introspection=True, suggestions=False, max_tokens=1_000)
    cache = DocumentCache()

    def validated(number: int) -> ParsedDocument:
        parsed = cache.parsed(text(number), 1_000)
        schema.validation_errors(parsed)
        return parsed

    # What the process keeps in any case is there after some documents, and hardly counts for many.
    repeats = 100 if len(text(0)) < 100 else 5
    for number in range(1_000, 1_003):
        validated(number)
    estimated = cache.bytes
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(repeats):
            validated(number)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= cache.bytes - estimated < 20 * taken


def test_long_document_is_not_cached() -> None:
    """Nor one that cannot be parsed."""
    cache = DocumentCache()
    text = TEXT + " " * CACHEABLE_CHARACTERS
    assert cache.parsed(text, None) is not cache.parsed(text, None)
    with pytest.raises(GraphQLError):
        cache.parsed("{", None)
    assert (len(cache), cache.bytes) == (0, 0)


def test_derived_value_is_made_once_and_their_number_is_bounded() -> None:
    """Such as the cost for each page size in the variables."""
    parsed = DocumentCache().parsed(TEXT, None)
    made: list[int] = []
    for number in (1, 1, 2):
        assert parsed.derived(number, lambda number=number: made.append(number) or number) == number
    assert made == [1, 2]
    for number in range(10 * MOST_DERIVED):
        parsed.derived(number, lambda: 0)
        assert len(parsed._derived) <= MOST_DERIVED  # pyright: ignore[reportPrivateUsage] # the bound itself
