"""The scalars of the schema: DateTime, JSONObject and SafeInt."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NewType

import strawberry
from graphql import (
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    print_ast,
    value_from_ast_untyped,
)
from strawberry.types.scalar import ScalarDefinition

from models.domain import rfc3339

JSONObject = NewType("JSONObject", dict[str, Any])
SafeInt = NewType("SafeInt", int)

INT_MAX = 2**31 - 1
"""The largest number of the type Int."""
SAFE_INT_MAX = 2**53 - 1
"""The largest number up to which doubles, as which many clients read JSON numbers, represent every integer."""

Variables = dict[str, Any] | None


def whole_number(value: object, largest: int) -> int | None:
    """Return a number from a file or another system if it is whole and at most `largest`; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # No comparison with NaN is true.
    return int(value) if abs(value) <= largest and value == int(value) else None


def safe_int(value: object) -> SafeInt | None:
    """Return a number from a file or another system as SafeInt; None for anything that is none."""
    number = whole_number(value, SAFE_INT_MAX)
    return None if number is None else SafeInt(number)


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"DateTime must be a string such as {rfc3339.EXAMPLE}")
    try:
        return rfc3339.parse(value)
    except ValueError as error:
        raise ValueError(f"DateTime {error}") from error


def _object(value: object) -> JSONObject:
    if not isinstance(value, dict):
        raise ValueError("JSONObject must be an object, not an array or a scalar")
    return JSONObject(value)  # pyright: ignore[reportUnknownArgumentType] # JSON has no other keys than strings


def _object_literal(node: ValueNode, variables: Variables = None) -> JSONObject:
    return _object(_json(node, variables))


def _json(node: ValueNode, variables: Variables) -> object:
    """Return the JSON that a literal stands for.

    A field whose variable has no value is left out, as in an input object; in a list it is null (section 3.10 and 3.11
    of the GraphQL specification).
    """
    match node:
        case ObjectValueNode():
            fields = {field.name.value: _json(field.value, variables) for field in node.fields}
            return {name: value for name, value in fields.items() if value is not Undefined}
        case ListValueNode():
            items = [_json(item, variables) for item in node.values]
            return [None if item is Undefined else item for item in items]
        case VariableNode():
            value: object = (variables or {}).get(node.name.value, Undefined)
            return rfc3339.text(value) if isinstance(value, datetime) else value
        case _:
            return value_from_ast_untyped(node)


def _safe_int(value: object) -> SafeInt:
    number = safe_int(value)
    if number is None:
        raise ValueError(f"SafeInt must be a whole number from -{SAFE_INT_MAX} to {SAFE_INT_MAX}")
    return number


def _safe_int_literal(node: ValueNode, _variables: Variables = None) -> SafeInt:
    if not isinstance(node, IntValueNode):
        raise ValueError(f"SafeInt cannot represent {print_ast(node)}")
    # A number of many digits is a ValueError of Python.
    return _safe_int(int(node.value))


SCALARS: Mapping[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant by RFC 3339. Output is in UTC; input has an offset or Z.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=rfc3339.text,
        parse_value=_instant,
    ),
    JSONObject: strawberry.scalar(
        name="JSONObject",
        description="A JSON object, not an array or a scalar; at most 16 KiB of JSON.",
        serialize=dict[str, Any],
        parse_value=_object,
        parse_literal=_object_literal,
    ),
    SafeInt: strawberry.scalar(
        name="SafeInt",
        description="A whole number up to 2^53 - 1, for sizes and seeds, which Int cannot hold.",
        serialize=_safe_int,
        parse_value=_safe_int,
        parse_literal=_safe_int_literal,
    ),
}
