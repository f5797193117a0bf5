"""Types of graphql-core, whose generic parts have no parameters in its annotations."""

from typing import Any, cast

from graphql import GraphQLList, GraphQLNamedType, GraphQLNonNull, get_named_type


def nullable(kind: Any) -> tuple[Any, bool]:
    """Return an output type without its Non-Null, and whether it had none."""
    return (_inner(kind), False) if isinstance(kind, GraphQLNonNull) else (kind, True)


def item_type(kind: Any) -> Any:
    """Return the type of a list's items; None for other types."""
    return _inner(kind) if isinstance(kind, GraphQLList) else None


def named(kind: Any) -> GraphQLNamedType:
    """Return the type inside lists and Non-Nulls."""
    return cast("GraphQLNamedType", get_named_type(kind))


def _inner(kind: Any) -> Any:
    return kind.of_type
