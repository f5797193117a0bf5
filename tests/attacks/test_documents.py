"""Documents that exceed a limit: the twelve of graphql-cop, and others."""

from typing import Any

import pytest
from graphql import get_introspection_query

from tests.support.attack_target import Target, codes, post, receive, send
from tests.support.client import Client
from tests.support.os_processes import cpu_seconds

CANCEL = 'cancelJob(input: {jobId: "1"}) { job { id } }'
SIX = "viewer { id } serverInfo { version } jobs { totalCount } " + " ".join(
    f'{name}(id: "1") {{ id }}' for name in ("job", "scene", "node")
)
JOB_FIELD = 'job(id: "1") '


def many(count: int, each: str) -> str:
    """The same text repeated `count` times, each with its number in place of #."""
    return " ".join(each.replace("#", str(number)) for number in range(count))


def chain(count: int, inside: str) -> str:
    """Fragments that each spread the next one twice."""
    links = " ".join(f"fragment F{n} on Query {{ {inside} ...F{n + 1} ...F{n + 1} }}" for n in range(count))
    return f"{{ ...F0 }} {links} fragment F{count} on Query {{ viewer {{ id }} }}"


OVER_A_LIMIT = {
    "aliases": f"{{ {many(101, 'a#: viewer { id }')} }}",
    "aliases of one mutation": f"mutation {{ {many(16, f'a#: {CANCEL}')} }}",
    "directives": f"{{ viewer {{ id {'@skip(if: false) ' * 21} }} }}",
    "unknown directives": f"{{ viewer {{ id {'@aa' * 300} }} }}",
    "repeats": f"{{ viewer {{ {'id ' * 500} }} }}",
    "repeated objects": f"{{ {(JOB_FIELD + '{ id } ') * 90} }}",
    "depth": f"{{ {JOB_FIELD} {'{ scenes { nodes { job ' * 5} {{ id }} {'} } } ' * 5} }}",
    "nesting": f"{{ {JOB_FIELD} {'{ scenes { nodes { job ' * 100} {{ id }} {'} } } ' * 100} }}",
    "tokens": f"{{ viewer {{ id }} {'serverInfo { version } ' * 400} }}",
    "characters": "{ viewer { id } } #" + "x" * 15_000,
    "cost": "{ jobs(first: 100) { nodes { scenes(first: 100) { nodes { takes(first: 100) { id } } } } } }",
    "root fields": f"{{ {SIX} }}",
    "mutations": f"mutation {{ {many(5, f'm#: {CANCEL}')} }}",
    "exponential fragments": chain(14, "a: viewer { id }"),
    "exponential fragments without aliases": chain(80, ""),
    "unused fragments": "{ viewer { id } } " + many(16, "fragment F# on Query { a: viewer { id } }"),
    "values": f"{{ job(id: {'[' * 400}{']' * 400}) {{ id }} }}",
}


@pytest.mark.parametrize("document", OVER_A_LIMIT.values(), ids=OVER_A_LIMIT)
async def test_document_over_a_limit_is_rejected_before_execution(
    target: Target, mallory: Client, document: str
) -> None:
    """One request error with a code, and no data."""
    cpu_before = cpu_seconds(target.process.pid)
    response = await post(mallory, document)
    assert cpu_seconds(target.process.pid) - cpu_before < 2
    assert response.status_code == 200
    body = response.json()
    assert set(codes(body)) <= {"GRAPHQL_LIMIT_EXCEEDED", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}
    assert len(body["errors"]) == 1
    assert "data" not in body


async def test_recursive_fragments_are_rejected_by_validation(mallory: Client) -> None:
    """The cost analysis before it does not follow them."""
    document = "{ ...A } fragment A on Query { ...B viewer { id } } fragment B on Query { ...A }"
    assert set(codes((await post(mallory, document)).json())) == {"GRAPHQL_VALIDATION_FAILED"}


async def test_page_size_in_a_variable_counts_for_the_cost(mallory: Client) -> None:
    """The resolver rejects one over the maximum page size, and names the argument."""
    document = "query($n: Int!) { jobs(first: $n) { nodes { events(first: $n) { version } } } }"
    assert codes((await post(mallory, document, n=100)).json()) == ["GRAPHQL_LIMIT_EXCEEDED"]
    assert codes((await post(mallory, document, n=2**31 - 1)).json()) == ["VALIDATION_FAILED"]
    assert codes((await post(mallory, document, n=2**31)).json()) == ["BAD_USER_INPUT"]
    small = (await post(mallory, document, n=5)).json()
    assert small["extensions"]["cost"] == {"requested": 31, "limit": 6000}


@pytest.mark.parametrize("body", [[{"query": "{ viewer { id } }"}] * 10, [], [[]]])
async def test_batched_request_is_rejected(mallory: Client, body: Any) -> None:
    """A batch would count as one request against the rate limit."""
    answer = await mallory.http.post("/graphql", json=body)
    assert (answer.status_code, codes(answer.json())) == (400, ["BAD_REQUEST"])


@pytest.mark.parametrize(
    "document",
    [get_introspection_query(), "{ __schema { types { name } } }", '{ __type(name: "Job") { fields { name } } }'],
)
async def test_introspection_query_is_rejected(mallory: Client, document: str) -> None:
    """In every form; `__typename` of a value is allowed."""
    body = (await post(mallory, document)).json()
    assert set(codes(body)) == {"GRAPHQL_VALIDATION_FAILED"}
    assert "data" not in body
    assert (await post(mallory, "{ viewer { __typename } }")).json()["data"] == {"viewer": {"__typename": "Viewer"}}


@pytest.mark.parametrize(
    ("document", "variables", "suggestion"),
    [
        ("{ viewr { id } }", {}, "viewer"),
        ("{ viewer { nam } }", {}, "name"),
        ("{ jobs(frst: 1) { totalCount } }", {}, "first"),
        ("query($f: JobFiltr) { jobs(filter: $f) { totalCount } }", {}, "JobFilter"),
        ("{ jobs(orderBy: {field: TITEL}) { totalCount } }", {}, "TITLE"),
        ("{ jobs(filter: {serch: 1}) { totalCount } }", {}, "search"),
        ("{ jobs { nodes { ... on Jab { id } } } }", {}, "'Job'"),
        ('{ node(id: "1") { title } }', {}, "'Scene'"),
        ("{ viewer { id @skip(iff: true) } }", {}, "'if'"),
        ("query($f: JobFilter) { jobs(filter: $f) { totalCount } }", {"f": {"serch": "x"}}, "search"),
        ("query($o: JobOrder) { jobs(orderBy: $o) { totalCount } }", {"o": {"field": "TITEL"}}, "TITLE"),
    ],
)
async def test_error_of_a_document_suggests_no_names(
    mallory: Client, document: str, variables: dict[str, Any], suggestion: str
) -> None:
    """For fields, arguments, types, enums, input fields and variables: the schema cannot be probed."""
    answer = await post(mallory, document, **variables)
    assert codes(answer.json())
    assert "did you mean" not in answer.text.lower()
    assert suggestion not in answer.text.replace(document, "")


async def test_error_message_of_a_document_is_limited_to_200_characters(mallory: Client) -> None:
    """It may quote the input."""
    name = "x" * 5_000
    for body in (
        {"query": f"{{ {name} }}"},
        {"query": f"query {name} {{ viewer {{ id }} }}", "operationName": f"{name}y"},
        {"query": "query($i: ID!) { job(id: $i) { id } }", "variables": {"i": [name]}},
    ):
        answer = (await mallory.http.post("/graphql", json=body)).json()
        assert all(len(error["message"]) <= 200 for error in answer["errors"])


async def test_request_headers_enable_no_tracing(mallory: Client) -> None:
    """The extensions hold the cost only."""
    headers = {"x-apollo-tracing": "1", "x-debug": "1"}
    answer = (await mallory.http.post("/graphql", json={"query": "{ viewer { id } }"}, headers=headers)).json()
    assert set(answer["extensions"]) == {"cost"}


async def test_get_request_executes_no_query_and_no_mutation(mallory: Client) -> None:
    """A link must not act for the user."""
    for document in ("{ viewer { id } }", 'mutation { cancelJob(input: {jobId: "1"}) { job { id } } }'):
        answer = await mallory.http.get("/graphql", params={"query": document})
        assert (answer.status_code, codes(answer.json())) == (405, ["METHOD_NOT_ALLOWED"])


async def test_explorer_page_loads_scripts_of_its_own_origin_only(mallory: Client) -> None:
    """Whether the explorer is enabled or not."""
    answer = await mallory.http.get("/graphql", headers={"accept": "text/html"})
    assert "script-src 'self';" in answer.headers["content-security-policy"] or answer.status_code >= 400
    assert "playground" not in answer.text.lower()


async def test_document_limits_apply_on_every_transport(target: Target, mallory: Client) -> None:
    """Over websocket and server-sent events too."""
    job = await target.a_job()
    aliases = " ".join(f"a{n}: version" for n in range(16))
    document = f'subscription {{ jobEvents(jobId: "{job.id}") {{ ... on JobSnapshot {{ {aliases} }} }} }}'
    async with target.socket() as socket:
        await send(socket, "connection_init")
        await send(socket, "subscribe", id="1", payload={"query": document})
        error = await receive(socket, "error")
    stream = await mallory.http.post("/graphql", json={"query": document}, headers={"accept": "text/event-stream"})
    assert error["payload"][0]["extensions"]["limit"] == "aliases"
    assert '"limit":"aliases"' in stream.text
