"""Arguments are converted as Strawberry converts them, and variables coerced as graphql-core coerces them."""

import json
from typing import Any, cast

import pytest
import strawberry
from graphql import GraphQLEnumType, OperationDefinitionNode, parse
from graphql.execution.values import get_variable_values
from strawberry.types.arguments import convert_arguments

from execution.coercion import variable_values, variables_of
from execution.conversions import arguments_of, converted
from execution.sites import DEFINITION
from server.graphql.schema import executable_schema
from tests.support.input_values import values_of
from tests.support.plain_ids import plain_text

pytestmark = pytest.mark.sqlite_alone

SCHEMA = executable_schema()
CORE: Any = SCHEMA._schema  # pyright: ignore[reportPrivateUsage] # there is no public accessor
FIELDS = [
    (root.name, name)
    for root in (CORE.query_type, CORE.mutation_type, CORE.subscription_type)
    for name, field in root.fields.items()
    if field.args
]
SAMPLES: dict[str, Any] = {
    "Int": 3,
    "SafeInt": 2**40,
    "Float": 1.5,
    "Boolean": True,
    "DateTime": "2026-01-02T03:04:05Z",
    "JSONObject": {"a": [1, None]},
}
# What no scalar takes, or what one takes of another: a whole number as a Float, a number as an ID.
DEVIANT: list[Any] = [7, 7.0, -1, "text", "", [], {}, {"unknown": 1}, [[1]], False, 2**60, float("nan")]


def python_leaf(kind: Any) -> Any:
    """Return a value as graphql-core gives it to resolvers."""
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values.values())).value
    return {"a": [1, None]} if kind.name == "JSONObject" else f"a {kind.name}"


def json_leaf(kind: Any) -> Any:
    """Return a value as clients send it."""
    return next(iter(kind.values)) if isinstance(kind, GraphQLEnumType) else SAMPLES.get(kind.name, f"a {kind.name}")


@pytest.mark.parametrize(("root", "name"), FIELDS, ids=plain_text)
def test_arguments_are_converted_as_strawberry_converts_them(root: str, name: str) -> None:
    """Everything, the least, and nulls give the same Python values."""
    field = CORE.get_type(root).fields[name]
    definition = field.extensions[DEFINITION]
    prepared = arguments_of(SCHEMA, definition)
    registry = SCHEMA.schema_converter.scalar_registry
    assert converted(prepared, {}) == {}
    for argument, each in field.args.items():
        for value in [*values_of(each.type, python_leaf), None]:
            given = {argument: value}
            expected = convert_arguments(given, definition.arguments, registry, SCHEMA.config)
            found = converted(prepared, given)
            assert found == expected
            # Dataclasses with equal fields are equal whatever the types of these are.
            assert repr(found) == repr(expected)


def test_a_list_is_copied() -> None:
    """A default is one list for all requests, which a resolver may change."""
    ids = ["scene_1"]
    definition = CORE.mutation_type.fields["reorderScenes"].extensions[DEFINITION]
    found = converted(arguments_of(SCHEMA, definition), {"input": {"jobId": "job_1", "sceneIds": ids}})
    assert found["input"].scene_ids == ids
    assert found["input"].scene_ids is not ids


@pytest.mark.parametrize(("root", "name"), FIELDS, ids=plain_text)
def test_variables_are_coerced_as_graphql_core_coerces_them(root: str, name: str) -> None:
    """Valid values, nulls, absent ones, and values that are refused in any place."""
    for argument in CORE.get_type(root).fields[name].args.values():
        bare = str(argument.type).rstrip("!")
        valid = list(values_of(argument.type, json_leaf))
        for declared in (f"{bare}!", bare, f"[{bare}!]"):
            check(f"query ($value: {declared}) {{ __typename }}", [*valid, *DEVIANT, None])
        check(f"query ($value: {bare}!) {{ __typename }}", changed(valid))


def test_defaults_of_variables() -> None:
    """A variable that is absent has its default; one that is null does not."""
    for type_and_default in ("Int = 3", "Int! = 3", '[ID!] = ["a"]', "RenderSettingsInput = { seed: 1 }"):
        check(f"query ($value: {type_and_default}) {{ __typename }}", [1, ["b"], {}, None])


def plain(coerced: dict[str, Any]) -> str:
    """Return a text of values, among which there may be NaN, with their types."""
    return json.dumps(coerced, sort_keys=True, default=repr)


def changed(valid: list[Any]) -> list[Any]:
    """Return input objects with one field left out, or with a deviant value."""
    found: list[Any] = []
    objects = cast("list[dict[str, Any]]", [each for each in valid if isinstance(each, dict)])
    for value in objects:
        for name in value:
            found.append({other: each for other, each in value.items() if other != name})
            found += [value | {name: deviant} for deviant in (None, *DEVIANT)]
    return found


def check(text: str, values: list[Any]) -> None:
    """Assert that each value, and none, is coerced to the same, or refused with the same messages."""
    (operation,) = parse(text).definitions
    assert isinstance(operation, OperationDefinitionNode)
    definitions = operation.variable_definitions or ()
    prepared = variables_of(CORE, definitions)
    for given in ({}, *({"value": value} for value in values)):
        expected, found = (
            get_variable_values(CORE, definitions, given),
            variable_values(CORE, definitions, prepared, given),
        )
        if isinstance(expected, list):
            assert isinstance(found, list)
            assert [each.message for each in found] == [each.message for each in expected]
        else:
            assert not isinstance(found, list)
            assert plain(found.coerced) == plain(expected.coerced)
            values_found = {name: repr(source.value) for name, source in found.sources.items()}
            assert values_found == {name: repr(source.value) for name, source in expected.sources.items()}


def test_a_nullable_field_without_a_default_is_null_when_it_is_absent() -> None:
    """The constructor of its dataclass requires it."""

    @strawberry.input
    class Note:
        text: str
        author: str | None

    @strawberry.type
    class Query:
        @strawberry.field
        def echo(self, note: Note) -> str:
            return note.text

    schema = strawberry.Schema(Query)
    core: Any = schema._schema  # pyright: ignore[reportPrivateUsage] # there is no public accessor
    definition = core.query_type.fields["echo"].extensions[DEFINITION]
    found = converted(arguments_of(schema, definition), {"note": {"text": "Hello"}})
    assert found == {"note": Note(text="Hello", author=None)}
