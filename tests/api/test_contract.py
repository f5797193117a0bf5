"""The printed schema is the contract as far as it is built, no more and no less."""

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

from server.schema import sdl
from tests.support.server_app import App

CONTRACT = (Path(__file__).parent / "contract.graphql").read_text("utf-8")


def relied_on(schema: GraphQLSchema) -> str:
    """What a client can rely on: everything but the wording and the order."""
    bare = introspection_from_schema(schema, descriptions=False, specified_by_url=False)
    return print_schema(lexicographic_sort_schema(build_client_schema(bare)))


def test_the_printed_schema_is_the_contract() -> None:
    """Every type, field, argument, default, enum value and nullability; nothing is missing and nothing is new."""
    assert relied_on(build_schema(sdl())) == relied_on(build_schema(CONTRACT))


async def test_so_is_the_served_one(app: App) -> None:
    """As tools find it by introspection."""
    served = build_client_schema(await app.execute(get_introspection_query(descriptions=False)))  # pyright: ignore[reportArgumentType] # JSON is untyped
    assert relied_on(served) == relied_on(build_schema(CONTRACT))


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
def test_the_smallest_difference_is_seen(before: str, after: str) -> None:
    """So the comparison means something."""
    assert before in CONTRACT
    assert relied_on(build_schema(CONTRACT.replace(before, after, 1))) != relied_on(build_schema(CONTRACT))
