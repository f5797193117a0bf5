"""The cache of parsed documents."""

import pytest
from graphql import GraphQLError

from server.transports.documents import BYTES_A_CHARACTER, CACHEABLE_CHARACTERS, MOST_DERIVED, DocumentCache

TEXT = "{ a0 }"


def test_document_is_parsed_once() -> None:
    """For each limit on tokens."""
    cache = DocumentCache()
    assert cache.parsed(TEXT, None) is cache.parsed(TEXT, None)
    assert cache.parsed(TEXT, 10) is not cache.parsed(TEXT, None)


def test_cached_bytes_are_bounded() -> None:
    """The least recently used documents are forgotten; the estimate follows the text."""
    size = BYTES_A_CHARACTER * len(TEXT)
    cache = DocumentCache(3 * size)
    first = cache.parsed("{ a0 }", None)
    for number in range(1, 4):
        assert cache.parsed("{ a0 }", None) is first
        cache.parsed(f"{{ a{number} }}", None)
    assert (len(cache), cache.bytes) == (3, 3 * size)
    assert cache.parsed("{ a0 }", None) is first


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
