"""How long the lists in the variables are, where the schema expects lists: what is inside a scalar is nobody's list."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from graphql import (
    GraphQLInputObjectType,
    GraphQLSchema,
    ListTypeNode,
    NamedTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    TypeNode,
    get_named_type,
)


def longest_list(schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, object]) -> int:
    """The number of items of the longest. Of a list that is too long the rest is not looked at: it counts already."""
    longest = 0
    waiting: list[tuple[Any, object]] = []
    for node in operation.variable_definitions or ():
        name = node.variable.name.value
        if name in variables:
            waiting.append((schema.get_type(_name(node.type)), variables[name]))
    while waiting:
        kind, value = waiting.pop()
        if isinstance(value, list):
            items = cast("list[object]", value)
            longest = max(longest, len(items))
            waiting.extend((kind, item) for item in items[:EXAMINED])
        elif isinstance(value, dict) and isinstance(kind, GraphQLInputObjectType):
            waiting.extend(_fields(kind, cast("dict[str, object]", value)))
    return longest


def _name(node: TypeNode) -> str:
    while isinstance(node, ListTypeNode | NonNullTypeNode):
        node = node.type
    return cast("NamedTypeNode", node).name.value


def _fields(kind: GraphQLInputObjectType, value: dict[str, object]) -> Iterator[tuple[Any, object]]:
    for name, known in cast("Mapping[str, Any]", kind.fields).items():
        if name in value:
            yield get_named_type(known.type), value[name]


EXAMINED = 1_000
