"""The queries that are kept because clients send them again."""

import gc
import json
import tracemalloc
from collections.abc import Callable

import pytest

from server.graphql.compiling import compiled_operations, schema_of
from server.settings import Settings
from server.transports.documents.document_limiter import DocumentLimiter
from server.transports.documents.params import read_params
from server.transports.short_path.kept_queries import BYTES_OF_QUERY, MOST_BODY_BYTES, KeptQueries, KeptQuery

SETTINGS = Settings.model_validate({"limit_cost": 1_000_000})
LARGE_BYTES = 100 * 2**20

DOCUMENT = (
    "query($id: ID!, $n: Int, $filter: JobFilter) "
    "{ job(id: $id) { title } jobs(first: $n, filter: $filter) { totalCount } }"
)
NOTHING: list[object] = []
BODIES: dict[str, Callable[[int], object]] = {
    "short documents": lambda n: {"query": f"{{ a{n}: __typename }}"},
    "one document with other variables": lambda n: {"query": DOCUMENT, "variables": {"id": f"job_{n}", "n": n % 100}},
    "many values": lambda n: {"query": DOCUMENT, "variables": {"id": f"{n}", "filter": {"status": ["FAILED"] * 600}}},
    "many nested values": lambda n: {"query": "{ __typename }", "extensions": {f"a{n}": [[NOTHING]] * 600}},
    "many fields": lambda n: {"query": f"{{ a{n}: serverInfo {{ {'mode version ' * 20} }} }}"},
    "wide characters": lambda n: {"query": DOCUMENT, "variables": {"id": chr(0x4E2D) * 2_000 + f"{n}"}},
}


class Kept:
    """Queries that are prepared as the server does."""

    def __init__(self, most_bytes: int = LARGE_BYTES) -> None:
        self.queries = KeptQueries(most_bytes)
        self._limiter = DocumentLimiter(schema_of(SETTINGS).core, SETTINGS.document_limits)
        compiled = compiled_operations(SETTINGS)
        assert compiled is not None
        self._compiled = compiled

    def send(self, value: object) -> bytes:
        """Answer a request twice; return its body."""
        body = json.dumps(value, ensure_ascii=False).encode()
        for _ in range(2):
            params = read_params(json.loads(body))
            admitted = self._limiter.admit(params)
            assert admitted.parsed is not None
            prepared = self._compiled.prepared(params, admitted.parsed)
            assert prepared is not None
            self.queries.see(body, KeptQuery(params, params, admitted, prepared))
        return body


def test_query_is_kept_when_it_is_sent_again() -> None:
    """Not the first time, and not in a long body."""
    kept = Kept()
    body = kept.send({"query": "{ __typename }"})
    assert kept.queries.get(body) is not None
    assert kept.queries.get(body + b" ") is None
    long = kept.send({"query": "{ __typename }", "extensions": {"a": "x" * MOST_BODY_BYTES}})
    assert kept.queries.get(long) is None
    assert len(kept.queries) == 1


def test_nothing_is_kept_without_memory() -> None:
    """With a bound of 0 bytes."""
    kept = Kept(0)
    kept.send({"query": "{ __typename }"})
    assert (len(kept.queries), kept.queries.bytes) == (0, 0)


def test_queries_of_one_document_count_it_once() -> None:
    """It is forgotten with the last of them."""
    kept = Kept()
    kept.send({"query": DOCUMENT, "variables": {"id": "a"}})
    first = kept.queries.bytes
    kept.send({"query": DOCUMENT, "variables": {"id": "b"}})
    assert kept.queries.bytes - first < first / 2
    small = Kept(first + BYTES_OF_QUERY)
    for name in "abcdefghij":
        small.send({"query": DOCUMENT, "variables": {"id": name}})
    assert len(small.queries) == 1
    assert small.queries.bytes == first


@pytest.mark.slow
@pytest.mark.parametrize("body", BODIES.values(), ids=[name.replace(" ", "_") for name in BODIES])
def test_kept_queries_take_no_more_memory_than_their_bound(body: Callable[[int], object]) -> None:
    """The estimate is no less than what is allocated, whatever clients send."""
    kept = Kept()
    for number in range(1_000, 1_003):
        kept.send(body(number))
    estimated = kept.queries.bytes
    gc.collect()
    tracemalloc.start()
    for number in range(2_000, 2_020):
        kept.send(body(number * 20))
    gc.collect()
    allocated = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert allocated <= kept.queries.bytes - estimated
