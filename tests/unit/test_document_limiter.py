"""Cost analysis of documents, its limits, and the work it takes."""

import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
from graphql import GraphQLError, OperationDefinitionNode, get_introspection_query, parse

from scenewire import documents as client
from server.graphql.schema import executable_schema
from server.graphql.trusted_documents import STORYBOARD_DOCUMENTS
from server.transports.documents.cost import CostAnalyzer
from server.transports.documents.document_limiter import DocumentLimiter
from server.transports.documents.params import Params
from server.transports.limits import DocumentLimits

ROOT = Path(__file__).parent.parent.parent
SCHEMA = executable_schema().core
LIMITER = DocumentLimiter(SCHEMA, DocumentLimits())


def cost(document: str, **variables: Any) -> int | None:
    """The cost of an admitted document."""
    return LIMITER.admit(Params(document, variables)).cost


def exceeded_limit(document: str, limiter: DocumentLimiter = LIMITER) -> tuple[object, object]:
    """The limit that a document exceeds, and its measure."""
    with pytest.raises(GraphQLError) as raised:
        limiter.admit(Params(document))
    extensions = raised.value.extensions or {}
    assert extensions["code"] == "GRAPHQL_LIMIT_EXCEEDED"
    return extensions["limit"], extensions.get("found")


def aliases(count: int) -> str:
    """The same field under this number of aliases."""
    return " ".join(f"a{number}: id" for number in range(count))


def analyzed(document: str) -> CostAnalyzer:
    """The analyzer of a document, after the analysis of its first operation."""
    parsed = parse(document)
    analyzer = CostAnalyzer(SCHEMA, parsed, {})
    analyzer.analyze(cast("OperationDefinitionNode", parsed.definitions[0]))
    return analyzer


def analyzed_cost(document: str) -> int:
    """The cost of a document, above the limit too."""
    parsed = parse(document)
    return CostAnalyzer(SCHEMA, parsed, {}).analyze(cast("OperationDefinitionNode", parsed.definitions[0])).cost


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{ viewer { id name } }", 1),
        ("{ viewer { id } serverInfo { version } }", 1),
        ("{ __typename }", 1),
        ('{ job(id: "1") { title progress { total } } }', 1 + 5),
        ('{ job(id: "1") { ... on Job { ...P } } } fragment P on Job { progress { total } output { url } }', 1 + 5),
        ('subscription { jobProgress(jobId: "1") { total } }', 1),
        ('{ scene(id: "1") { id availableActions allowedTransitions } }', 1 + 2),
        ("{ jobs(first: 3) { nodes { progress { total } } } }", 1 + 3 * (1 + 5)),
        ("{ jobs { totalCount pageInfo { hasNextPage } } }", 1),
        ("{ jobs { nodes { id } } }", 1 + 20),
        ("{ jobs(first: 3) { nodes { id } edges { cursor node { id } } } }", 1 + 3 + 3 * 2),
        ("{ jobs(last: 3) { nodes { id } } }", 1 + 3),
        ("{ jobs(first: null, last: 3) { nodes { id } } }", 1 + 3),
        ("{ jobs(first: 0) { nodes { id } } }", 1 + 1),
        ("{ jobs(first: 101) { nodes { id } } }", 1 + 1),
        ("{ jobs(first: 5) { nodes { scenes(first: 7) { nodes { id } } } } }", 1 + 5 * (1 + 1 + 7)),
        ("{ jobs(first: 50) { nodes { scenes(first: 20) { nodes { id } } } } }", 1_101),
        ("{ jobs(first: 100) { nodes { scenes(first: 50) { nodes { id title } } } } }", 5_201),
        ('{ job(id: "1") { scenes { nodes { id } } } }', 1 + 1 + 20),
        ("{ jobs(first: 1) { nodes { scenes { nodes { id } } } } }", 1 + (1 + 1 + 20)),
        ("{ jobs(first: 2) { nodes { scenes { nodes { id } } } } }", 1 + 2 * (1 + 1 + 100)),
        ("{ jobs { edges { node { scenes { edges { node { id } } } } } } }", 1 + 20 * (1 + 1 + 1 + 100 * 2)),
        ("{ jobs(first: 2) { ...N } } fragment N on JobConnection { nodes { ...J } } "
         "fragment J on Job { scenes { nodes { id } } }", 1 + 2 * (1 + 1 + 100)),
        ('{ node(id: "1") { ... on Scene { id } ... on Job { scenes { nodes { id } } } } }', 1 + 1 + 20),
        ('{ job(id: "1") { scenes { nodes { takes { id output { url } } currentTake { id } } } } }', 2 + 20 * 22),
        ('{ job(id: "1") { events { version } } }', 1 + 100),
        ('mutation { cancelJob(input: {jobId: "1"}) { job { id } errors { code } } }', 1 + 1 + 10),
        ("{ ...P } fragment P on Query { jobs(first: 2) { ...N } } fragment N on JobConnection { nodes { id } }", 3),
        ('{ node(id: "1") { ... on Job { scenes(first: 5) { nodes { id } } } ... on Scene { job { id } } } }', 1 + 6),
        ('{ node(id: "1") { ... on Job { scene(id: "1") { id } } ... { id } } }', 2),
        ("{ nothing { at { all } } }", 3),
        ("{ __schema { types { name fields { name } } } }", 100),
    ],
)  # fmt: skip
def test_document_cost(document: str, expected: int) -> None:
    """Objects count, pages multiply, and only the most expensive of several types counts."""
    assert cost(document) == expected


@pytest.mark.parametrize("size", [1, 2, 7, 20, 100])
@pytest.mark.parametrize("scenes", ["", "(first: 3)"], ids=["unpaged", "paged"])
def test_list_without_a_page_size_costs_at_most_five_times_its_usual_size(size: int, scenes: str) -> None:
    """So a document that costs 1,000 with 20 scenes for each job is within the default limit of 6,000."""
    usual = analyzed_cost(f"{{ jobs(first: {size}) {{ nodes {{ scenes(first: 20) {{ nodes {{ id }} }} }} }} }}")
    found = analyzed_cost(f"{{ jobs(first: {size}) {{ nodes {{ scenes{scenes} {{ nodes {{ id }} }} }} }} }}")
    assert found <= 5 * usual


def test_page_size_in_a_variable_determines_the_cost() -> None:
    """Given, by default, or omitted; the measure of one size is not reused for another."""
    document = "query($n: Int = 7) { jobs(first: $n) { nodes { id } } }"
    assert [cost(document, n=3), cost(document), cost(document, n=50), cost(document, n=None)] == [4, 8, 51, 21]


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ("{ " + " ".join(f"a{n}: viewer {{ id }}" for n in range(16)) + " }", ("aliases", 16)),
        ("{ viewer { id } } fragment F on Viewer { " + aliases(16) + " }", ("aliases", 16)),
        ("{ viewer { ...F ...F } } fragment F on Viewer { " + aliases(8) + " }", ("aliases", 16)),
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
        ("{ jobs(first: 100) { nodes { scenes { nodes { id } } } } }", ("cost", 1 + 100 * 102)),
        ('{ job(id: "1") { scenes { nodes { job { scenes { nodes { takes { id } } } } } } } }',
         ("cost", 1 + 1 + 20 * (1 + 1 + 1 + 100 * 21))),
    ],
)  # fmt: skip
def test_document_over_a_limit_is_rejected(document: str, found: tuple[str, int | None]) -> None:
    """The error names the limit and the measure."""
    assert exceeded_limit(document) == found


def test_limit_error_names_measure_and_limit() -> None:
    """Without the measure when it is unknown or has too many digits."""
    messages = [LIMITER.limit_exceeded("depth", found).message for found in (9, None)]
    assert messages == ["Nesting depth 9 exceeds the limit of 8", "Nesting depth exceeds the limit of 8"]


def test_nested_fragments_multiply_the_cost_but_are_visited_once() -> None:
    """2^200 fields are counted without a visit; a document of twice the length takes twice the work."""

    def chain(length: int) -> str:
        links = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(length))
        return f"{{ ...F0 }} {links} fragment F{length} on Query {{ viewer {{ id }} }}"

    assert [analyzed(chain(length)).visits for length in (25, 50, 100, 200)] == [53, 103, 203, 403]
    wide = "{ viewer { " + "...F " * 300 + "} } fragment F on Viewer { id name roles }"
    assert analyzed(wide).visits == 1 + 300 + 3


def test_recursive_fragments_are_analyzed_once() -> None:
    """Validation rejects them; here they cost what they contain besides themselves."""
    assert cost("{ ...A } fragment A on Query { viewer { id } ...B } fragment B on Query { ...A }") == 1


def test_document_limits_are_configurable() -> None:
    """Each by its name."""
    limiter = DocumentLimiter(SCHEMA, DocumentLimits(depth=1, tokens=20))
    assert limiter.admit(Params("{ viewer { id } }")).cost == 1
    assert exceeded_limit('{ job(id: "1") { progress { total } } }', limiter) == ("depth", 2)
    assert exceeded_limit("{ viewer { id id id id id id id id id id id id id id id id id } }", limiter)[0] == "tokens"


def test_shipped_documents_are_within_the_limits() -> None:
    """The operations of the pages, the Python client, the README and docs/live.md."""
    documents = [path.read_text("utf-8") for path in (ROOT / "web" / "src" / "operations").glob("*.graphql")]
    documents += json.loads(STORYBOARD_DOCUMENTS.read_text("utf-8")).values()
    documents += [client.FOLLOW, client.FOLLOW_JOBS, client.JOB_IDS, client.JOB, client.JOBS, client.SCENE]
    documents += [client.VIEWER, client.SERVER_INFO, *client.MUTATIONS.values()]
    documents.append(get_introspection_query())
    for page in (ROOT / "README.md", ROOT / "docs" / "live.md"):
        text = page.read_text("utf-8")
        documents += re.findall(r"```graphql\n(.*?)```", text, re.DOTALL)
        documents += [quoted.replace('\\"', '"') for quoted in re.findall(r'"query": "((?:[^"\\]|\\.)*)"', text)]
    assert len(documents) > 60
    for document in documents:
        assert LIMITER.admit(Params(document)).cost


def test_introspection_depth_is_limited_separately() -> None:
    """GraphiQL's own query passes; the fields beside it are not exempt."""
    deep = (
        '{ __schema { queryType { name } } job(id: "1") '
        + "{ scenes { nodes { job " * 3
        + "{ id }"
        + "} } }" * 3
        + " }"
    )
    assert exceeded_limit(deep) == ("depth", 10)
