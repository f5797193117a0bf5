"""Compiled operations answer as graphql-core does, to the byte: on a schema with everything that can go wrong."""

import gc
import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest

from execution.deviation import ERROR, INTROSPECTION, NULL, VARIABLES
from server.transports.documents.params import Params
from tests.support.both_paths import CONNECTION, answer, compare, compiled_count, encoded, left
from tests.support.compiled_sample import Context, executors, sample_schema
from tests.support.property_settings import scaled
from tests.support.random_documents import RandomDocument, RandomDocuments

SCHEMA = sample_schema()
VALUES: dict[str, list[Any]] = {"Int": [0, 1, 2, 3, 10], "String": ["", "x", "fail", 'a"b\\'], "ID": ["a"]}


pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True, scope="module")
def _quick_collections() -> Iterator[None]:
    """A collection after each test examines only what these tests have made."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Errors are logged by both paths, and graphql-core leaves coroutines beside an error without awaiting them."""
    caplog.set_level(logging.CRITICAL)
    yield
    gc.collect()


DOCUMENTS_WITH_BOTH_SORTS = 50


@pytest.mark.parametrize("kind", ["query", "mutation", "subscription"])
async def test_random_documents_are_answered_equally(kind: str) -> None:
    """Aliases, fragments, directives, variables, nulls and errors; most answers are compiled."""
    compiled, plain = executors(SCHEMA)
    documents = RandomDocuments(SCHEMA.core, random.randrange(2**32), VALUES, kind=kind)
    count = scaled(50)
    for _ in range(count):
        await compare(compiled, plain, documents.document())
    # Of fewer documents chance may leave out one sort.
    if count >= DOCUMENTS_WITH_BOTH_SORTS:
        assert compiled_count(compiled) > count / 5
        assert sum(left(compiled).values()) > count / 20


DOCUMENTS = {
    "merged_fields": "{ owners { name pets { id } } owners { hue pets { name ...P } } } fragment P on Pet { tags id }",
    "fragments_on_an_interface": """
        { names { ...N } } fragment N on Named { name ... on Owner { hue } ... on Pet { mood } }""",
    "fragments_on_a_union": "{ beings { __typename ... on Named { name } ...O } } fragment O on Owner { matrix }",
    "nested_narrow_rows": '{ owners { pets { id l: label(prefix: "+") greeting bornAt tame weight mood tags } } }',
    "narrow_rows_with_typename_alone": "{ owners { pets { __typename } } }",
    "whole_rows": "{ owners { pets { id whole owner { name pets { label } } } } }",
    "lists_of_lists": "{ owners { matrix } }",
    "arguments_with_defaults": """
        { owners { a: echo b: echo(number: null) c: echo(hues: [RED, GREEN], mood: GLAD, number: 3) } }""",
    "empty_lists": "{ owners(count: 0) { name pets { id } } }",
    "nulls_in_lists": "{ owners { noneOfMany { name hue matrix pets { id } } } }",
}


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
async def test_document_is_answered_by_its_plan(text: str) -> None:
    """Nothing is left to graphql-core."""
    compiled, plain = executors(SCHEMA)
    await compare(compiled, plain, RandomDocument(text, {}))
    assert (compiled_count(compiled), left(compiled)) == (1, {})


LEFT = {
    "null_in_a_non_null_field": ("{ owners { name null } }", NULL),
    "null_in_a_list_of_non_null": ("{ owners { nulls } }", NULL),
    "error_of_a_resolver": ("{ owners { broken name } }", ERROR),
    "error_of_an_async_resolver": ("{ owners { pets { id } brokenLater } }", ERROR),
    "introspection": ('{ __type(name: "Pet") { name } }', INTROSPECTION),
    "wrong_variable": ("query($n: Int! = 1) { owners(count: $n) { name } }", VARIABLES),
    "null_for_skip": ("query($x: Boolean = true) { owners { hue name @skip(if: $x) } }", VARIABLES),
    "null_for_include": (
        "query($x: Boolean = true) { owners { hue ...N @include(if: $x) } } fragment N on Owner { name }",
        VARIABLES,
    ),
}


@pytest.mark.parametrize(("text", "reason"), LEFT.values(), ids=LEFT)
async def test_answer_that_is_left_to_graphql_core_is_counted(text: str, reason: str) -> None:
    """Once, by its reason; and it is equal."""
    compiled, plain = executors(SCHEMA)
    await compare(compiled, plain, RandomDocument(text, {"n": "three", "x": None}))
    assert (compiled_count(compiled), left(compiled)) == (0, {reason: 1})


async def test_reason_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """At debug."""
    caplog.set_level(logging.DEBUG, "execution.counters")
    compiled, _ = executors(SCHEMA)
    for _ in "12":
        await answer(compiled, '{ __type(name: "Pet") { name } }')
    assert [record.getMessage() for record in caplog.records if record.name == "execution.counters"] == [
        "graphql-core answers because of: introspection"
    ]


async def compiled_context(query: str) -> Context:
    """Answer a query by its plan alone; return the context, which recorded what was read."""
    compiled, _ = executors(SCHEMA)
    context, params = Context(), Params(query)
    _, admitted = compiled.admit(params, CONNECTION)
    assert compiled.compiled is not None
    assert admitted.parsed is not None
    prepared = compiled.compiled.prepared(params, admitted.parsed)
    assert prepared is not None
    await compiled.compiled.query(prepared, params, context)
    return context


async def test_only_needed_columns_are_read() -> None:
    """In the order of the selection, without repeats; the resolver of the relation is not called."""
    context = await compiled_context("{ owners { pets(first: 1) { name label id n: name } } }")
    ((columns, fields, _),) = context.narrow
    assert sorted(columns) == ["born_at", "id", "mood", "name", "tags"]
    assert fields == {"name", "label", "id"}
    assert context.calls == {"label": 3}


async def test_relation_is_loaded_once_for_a_level() -> None:
    """For all owners at once."""
    context = await compiled_context("{ owners { pets { id } noneOfMany { pets { id } } } }")
    assert len(context.narrow) == 2


MUTATIONS = {
    "payload_cannot_be_completed": """mutation {
        a: change(to: "x") { total } b: change(to: "y") { owner { null } } c: change(to: "z") { total } }""",
    "field_that_may_be_null_fails": """mutation {
        a: maybe(to: "x") { total } b: maybe(to: "fail") { total } c: maybe(to: "z") { total } }""",
    "field_that_must_not_be_null_fails": """mutation {
        a: change(to: "x") { total } b: change(to: "fail") { total } c: change(to: "z") { total } }""",
    "error_in_a_payload": """mutation {
        a: change(to: "x") { owner { broken brokenLater name } total } __typename c: change(to: "z") { total } }""",
    "nothing_fails": """mutation {
        a: change(to: "x") { total owner { pets { id } } } b: maybe(to: "z") { total } }""",
}


@pytest.mark.parametrize("text", MUTATIONS.values(), ids=MUTATIONS)
async def test_field_of_a_mutation_is_executed_once(text: str) -> None:
    """In order, also when graphql-core has to finish the answer."""
    changes: list[list[str]] = []
    answers: list[bytes] = []
    for executor in executors(SCHEMA):
        context = Context()
        params = Params(text)
        _, admitted = executor.admit(params, CONNECTION)
        prepared = executor.prepare(params, admitted)
        result = await executor._result(params, CONNECTION, context, admitted, prepared)  # pyright: ignore[reportPrivateUsage] # with the test's context
        answers.append(encoded(result))
        changes.append(context.changes)
    assert answers[0] == answers[1]
    assert changes[0] == changes[1]


async def test_operation_is_chosen_by_its_name() -> None:
    """Each operation of a document has its own plan."""
    compiled, _ = executors(SCHEMA)
    text = "query A { owners(count: 1) { name } } query B { owners(count: 1) { hue } }"
    found: list[bytes] = []
    for name in "AB":
        params = Params(text, operation_name=name)
        _, admitted = compiled.admit(params, CONNECTION)
        found.append(encoded(await compiled.execute(params, CONNECTION, admitted)))
    assert found == [b'{"data":{"owners":[{"name":"owner0"}]}}', b'{"data":{"owners":[{"hue":"GREEN"}]}}']


async def test_hidden_suggestions_stay_hidden() -> None:
    """In the errors of variables, on both paths."""
    compiled, plain = executors(sample_schema(suggestions=False))
    text = "query($hue: Hue!) { owners { echo(hues: [$hue]) } }"
    found = await answer(compiled, text, {"hue": "REDD"})
    assert found == await answer(plain, text, {"hue": "REDD"})
    assert b"Did you mean" not in found[0]
