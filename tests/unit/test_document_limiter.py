"""What a document weighs, and how much work it is to find out."""

import re
from pathlib import Path
from typing import Any, cast

import pytest
from graphql import GraphQLError, OperationDefinitionNode, get_introspection_query, parse

from server import demo, watch
from server.schema import executable_schema
from server.transports.cost import CostAnalyzer
from server.transports.document_limiter import DocumentLimiter, DocumentLimits
from server.transports.params import Params

ROOT = Path(__file__).parent.parent.parent
SCHEMA = executable_schema().core
GUARD = DocumentLimiter(SCHEMA, DocumentLimits())


def cost(document: str, **variables: Any) -> int | None:
    """Of a document that is admitted."""
    return GUARD.admit(Params(document, variables)).cost


def limit(document: str, guard: DocumentLimiter = GUARD) -> tuple[object, object]:
    """Which limit a document exceeds, and by what it was found to."""
    with pytest.raises(GraphQLError) as refused:
        guard.admit(Params(document))
    extensions = refused.value.extensions or {}
    assert extensions["code"] == "GRAPHQL_LIMIT_EXCEEDED"
    return extensions["limit"], extensions.get("found")


def names(count: int) -> str:
    """One field under so many."""
    return " ".join(f"a{number}: id" for number in range(count))


def scales(document: str) -> CostAnalyzer:
    """After everything was weighed."""
    parsed = parse(document)
    weighing = CostAnalyzer(SCHEMA, parsed, {})
    weighing.analyze(cast("OperationDefinitionNode", parsed.definitions[0]))
    return weighing


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{ viewer { id name } }", 1),
        ("{ viewer { id } serverInfo { version } }", 1),
        ("{ __typename }", 1),
        ('{ job(id: "1") { title progress { total } } }', 1),
        ("{ jobs { totalCount pageInfo { hasNextPage } } }", 1),
        ("{ jobs { nodes { id } } }", 1 + 20),
        ("{ jobs(first: 3) { nodes { id } edges { cursor node { id } } } }", 1 + 3 + 3 * 2),
        ("{ jobs(last: 3) { nodes { id } } }", 1 + 3),
        ("{ jobs(first: null, last: 3) { nodes { id } } }", 1 + 3),
        ("{ jobs(first: 0) { nodes { id } } }", 1 + 1),
        ("{ jobs(first: 101) { nodes { id } } }", 1 + 1),
        ("{ jobs(first: 5) { nodes { scenes(first: 7) { nodes { id } } } } }", 1 + 5 * (1 + 1 + 7)),
        ('{ job(id: "1") { scenes { nodes { takes { id output { url } } currentTake { id } } } } }', 2 + 20 * 22),
        ('{ job(id: "1") { events { version } } }', 1 + 100),
        ('mutation { cancelJob(input: {jobId: "1"}) { job { id } errors { code } } }', 1 + 1 + 10),
        ("{ ...P } fragment P on Query { jobs(first: 2) { ...N } } fragment N on JobConnection { nodes { id } }", 3),
        ('{ node(id: "1") { ... on Job { scenes(first: 5) { nodes { id } } } ... on Scene { job { id } } } }', 1 + 6),
        ('{ node(id: "1") { ... on Job { scene(id: "1") { id } } ... { id } } }', 2),
        ("{ nothing { at { all } } }", 3),
        ("{ __schema { types { name fields { name } } } }", 100),
    ],
)
def test_what_a_document_costs(document: str, expected: int) -> None:
    """Objects count, pages multiply, and of several types only one can be."""
    assert cost(document) == expected


def test_a_page_size_may_be_a_variable() -> None:
    """Given, by its default, or left out; what was found for one size is not taken for another's."""
    document = "query($n: Int = 7) { jobs(first: $n) { nodes { id } } }"
    assert [cost(document, n=3), cost(document), cost(document, n=50), cost(document, n=None)] == [4, 8, 51, 21]


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ("{ " + " ".join(f"a{n}: viewer {{ id }}" for n in range(16)) + " }", ("aliases", 16)),
        ("{ viewer { id } } fragment F on Viewer { " + names(16) + " }", ("aliases", 16)),
        ("{ viewer { ...F ...F } } fragment F on Viewer { " + names(8) + " }", ("aliases", 16)),
        ("{ viewer { id " + "@skip(if: false)" * 21 + " } }", ("directives", 21)),
        ("query " + "@a" * 21 + " { viewer { id } }", ("directives", 21)),
        ("{ viewer { " + "id " * 52 + "} }", ("repeats", 51)),
        ("{ viewer { " + "... { id } " * 52 + "} }", ("repeats", 51)),
        ('{ job(id: "1") ' + "{ scenes { nodes { job " * 3 + "{ id }" + "} } }" * 3 + " }", ("depth", 10)),
        ("{ __type(name: \"A\") { " + "ofType { " * 20 + "name" + " }" * 20 + " } }", ("introspection_depth", 21)),
        ("{ viewer { id } #" + "x" * 15_000 + "\n}", ("characters", 15_019)),
        ("{ " + "viewer " * 1_000 + "}", ("tokens", None)),
        ("{ " + " ".join(f"x{n}" for n in range(6)) + " }", ("root_fields", 6)),
        ("{ ...F } fragment F on Query { " + " ".join(f"x{n}" for n in range(6)) + " }", ("root_fields", 6)),
        ("mutation { " + " ".join(f"x{n}" for n in range(5)) + " }", ("mutations", 5)),
        ("{ jobs(first: 100) { nodes { scenes(first: 100) { nodes { id } } } } }", ("cost", 1 + 100 * 102)),
    ],
)  # fmt: skip
def test_what_is_too_much(document: str, found: tuple[str, int | None]) -> None:
    """The error names the limit and what was found."""
    assert limit(document) == found


def test_fragments_multiply_and_cost_one_visit_each() -> None:
    """2^200 fields are counted without being looked at; twice the document is twice the work."""

    def chain(length: int) -> str:
        links = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(length))
        return f"{{ ...F0 }} {links} fragment F{length} on Query {{ viewer {{ id }} }}"

    assert [scales(chain(length)).visits for length in (25, 50, 100, 200)] == [53, 103, 203, 403]
    wide = "{ viewer { " + "...F " * 300 + "} } fragment F on Viewer { id name roles }"
    assert scales(wide).visits == 1 + 300 + 3


def test_fragments_in_a_ring_come_to_an_end() -> None:
    """Validation refuses them; here they weigh what they hold beside themselves."""
    assert cost("{ ...A } fragment A on Query { viewer { id } ...B } fragment B on Query { ...A }") == 1


def test_a_limit_can_be_set() -> None:
    """Each by its name."""
    guard = DocumentLimiter(SCHEMA, DocumentLimits(depth=1, tokens=20))
    assert guard.admit(Params("{ viewer { id } }")).cost == 1
    assert limit('{ job(id: "1") { progress { total } } }', guard) == ("depth", 2)
    assert limit("{ viewer { id id id id id id id id id id id id id id id id id } }", guard)[0] == "tokens"


def test_what_we_ship_passes() -> None:
    """The explorer's own operations, those of the command line, of the README and of the page about live streams."""
    documents = [path.read_text("utf-8") for path in (ROOT / "web" / "src" / "operations").glob("*.graphql")]
    documents += [getattr(module, "_DOCUMENT") for module in (watch, demo)]  # noqa: B009
    documents.append(get_introspection_query())
    for page in (ROOT / "README.md", ROOT / "docs" / "live.md"):
        shown = page.read_text("utf-8")
        documents += re.findall(r"```graphql\n(.*?)```", shown, re.DOTALL)
        documents += [found.replace('\\"', '"') for found in re.findall(r'"query": "((?:[^"\\]|\\.)*)"', shown)]
    assert len(documents) > 9
    for document in documents:
        assert GUARD.admit(Params(document)).cost


def test_introspection_has_a_depth_of_its_own() -> None:
    """GraphiQL's own query passes, and beside it nothing is exempt."""
    deep = (
        '{ __schema { queryType { name } } job(id: "1") '
        + "{ scenes { nodes { job " * 3
        + "{ id }"
        + "} } }" * 3
        + " }"
    )
    assert limit(deep) == ("depth", 10)
