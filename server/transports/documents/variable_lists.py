"""The length of lists in the variables. Lists inside a JSON scalar are ignored."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

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

_NESTED: Final = (list, dict)

Kinds = Sequence[tuple[str, Any]]
"""The variables of an operation, each with its type, without lists and non-null types around it."""


def kinds_of(schema: GraphQLSchema, operation: OperationDefinitionNode) -> Kinds:
    """Return the types of the variables of an operation."""
    return [
        (node.variable.name.value, schema.get_type(_name(node.type))) for node in operation.variable_definitions or ()
    ]


def longest_list(kinds: Kinds, variables: Mapping[str, object]) -> int:
    """Return the number of items of the longest list. Only the first EXAMINED items of each list are searched."""
    longest = 0
    unvisited = [(kind, variables[name]) for name, kind in kinds if name in variables]
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
                if isinstance(found, _NESTED) and name in fields:
                    unvisited.append((cast("Any", get_named_type(fields[name].type)), cast("object", found)))
    return longest


def _name(node: TypeNode) -> str:
    while isinstance(node, ListTypeNode | NonNullTypeNode):
        node = node.type
    return cast("NamedTypeNode", node).name.value
