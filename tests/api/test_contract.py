"""The printed schema equals the contract."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLSchema,
    build_client_schema,
    build_schema,
    get_introspection_query,
    introspection_from_schema,
    lexicographic_sort_schema,
    print_schema,
)

from server.graphql.schema import sdl
from tests.support.server_app import App

CONTRACT = (Path(__file__).parent / "contract.graphql").read_text("utf-8")


def comparable(schema: GraphQLSchema) -> str:
    """Return all of a schema that clients rely on: everything but descriptions and order."""
    bare = introspection_from_schema(schema, descriptions=False, specified_by_url=False)
    return print_schema(lexicographic_sort_schema(build_client_schema(bare)))


def test_printed_schema_is_the_contract() -> None:
    """Every type, field, argument, default, enum value and nullability."""
    assert comparable(build_schema(sdl())) == comparable(build_schema(CONTRACT))


async def test_served_schema_is_the_contract(app: App) -> None:
    """As introspection returns it."""
    served = build_client_schema(await app.execute(get_introspection_query(descriptions=False)))  # pyright: ignore[reportArgumentType] # JSON is untyped
    assert comparable(served) == comparable(build_schema(CONTRACT))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("title: String!", "title: String"),
        ("first: Int! = 100", "first: Int! = 99"),
        ("IDEMPOTENCY_CONFLICT", ""),
        ("type StateError implements UserError", "type StateError"),
        ("cancelScene(input: SceneActionInput!)", "cancelScene(input: MoveSceneInput!)"),
        ("JobSnapshot | JobEvent | SceneProgress", "JobSnapshot | JobEvent"),
        ("scene(id: ID!, jobId: ID): Scene", "scene(id: ID!): Scene"),
    ],
)
def test_small_differences_of_a_schema_are_detected(before: str, after: str) -> None:
    """So that the comparison is meaningful."""
    assert before in CONTRACT
    assert comparable(build_schema(CONTRACT.replace(before, after, 1))) != comparable(build_schema(CONTRACT))
