"""The length of lists in the variables. Lists inside a JSON scalar are ignored."""

from collections.abc import Mapping
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

EXAMINED = 1_000
"""A longer list exceeds the limit anyway."""


def longest_list(schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, object]) -> int:
    """Return the number of items of the longest list. Only the first EXAMINED items of each list are searched."""
    longest = 0
    unvisited: list[tuple[Any, object]] = []
    for node in operation.variable_definitions or ():
        name = node.variable.name.value
        if name in variables:
            unvisited.append((schema.get_type(_name(node.type)), variables[name]))
    while unvisited:
        kind, value = unvisited.pop()
        if isinstance(value, list):
            items = cast("list[object]", value)
            longest = max(longest, len(items))
            unvisited.extend((kind, item) for item in items[:EXAMINED])
        elif isinstance(value, dict) and isinstance(kind, GraphQLInputObjectType):
            fields = cast("Mapping[str, Any]", kind.fields)
            for name, found in cast("dict[str, object]", value).items():
                # Texts and numbers are most of the values.
                if isinstance(found, list | dict) and name in fields:
                    unvisited.append((cast("Any", get_named_type(fields[name].type)), cast("object", found)))
    return longest


def _name(node: TypeNode) -> str:
    while isinstance(node, ListTypeNode | NonNullTypeNode):
        node = node.type
    return cast("NamedTypeNode", node).name.value
