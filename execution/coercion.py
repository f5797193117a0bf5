"""Values of variables, coerced by functions that are prepared once for each type.

graphql-core looks at the type of every value of every request again, and at every field of an input object that is not
given. What it would refuse is left to it, as it knows the messages.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from graphql import (
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    Undefined,
    VariableDefinitionNode,
    is_required_input_field,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values
from graphql.utilities.coerce_input_value import coerce_default_value

Coerce = Callable[[Any], Any]
"""Returns the coerced value. Raises any exception when graphql-core has to decide."""

# How many types of inputs stay prepared.
TYPES: Final = 512
# Scalars of GraphQL itself, whose texts stay as they are.
_TEXTS: Final = frozenset({"String", "ID"})


class _Undecided(Exception):
    """Only graphql-core knows what follows."""


class Variable(NamedTuple):
    """A variable of an operation."""

    signature: GraphQLVariableSignature
    coerce: Coerce
    nullable: bool
    has_default: bool


def variables_of(schema: GraphQLSchema, definitions: Collection[VariableDefinitionNode]) -> Sequence[Variable] | None:
    """Return the variables of an operation; None when graphql-core refuses one of them."""
    found: list[Variable] = []
    for each in definitions:
        signature = get_variable_signature(schema, each)
        if isinstance(signature, GraphQLError):
            return None
        kind = cast("Any", signature.type)  # pyright: ignore[reportUnknownMemberType] # generic types of graphql-core are open
        nullable = not isinstance(kind, GraphQLNonNull)
        found.append(Variable(signature, _coercion(kind), nullable, each.default_value is not None))
    return found


def variable_values(
    schema: GraphQLSchema,
    definitions: Collection[VariableDefinitionNode],
    variables: Sequence[Variable] | None,
    given: dict[str, Any],
) -> VariableValues | list[GraphQLError]:
    """Return what graphql-core's `get_variable_values` returns; `variables` are the prepared definitions."""
    if variables is None:
        return get_variable_values(schema, definitions, given)
    try:
        return _values(variables, given)
    except Exception:
        # graphql-core says what is wrong.
        return get_variable_values(schema, definitions, given)


def _values(variables: Sequence[Variable], given: Mapping[str, Any]) -> VariableValues:
    sources: dict[str, VariableValueSource] = {}
    coerced: dict[str, Any] = {}
    for signature, coerce, nullable, has_default in variables:
        name = signature.name
        if name in given:
            value = given[name]
            sources[name] = VariableValueSource(signature, value)
            coerced[name] = coerce(value)
        elif has_default or not nullable:
            raise _Undecided
        else:
            sources[name] = VariableValueSource(signature)
    return VariableValues(sources, coerced)


def _coercion(kind: Any) -> Coerce:
    if isinstance(kind, GraphQLNonNull):
        return _not_null(_of_value(kind.of_type))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] # as above
    coerce = _of_value(kind)
    return lambda value: None if value is None else coerce(value)


def _not_null(coerce: Coerce) -> Coerce:
    def coerce_not_null(value: Any) -> Any:
        if value is None:
            raise _Undecided
        return coerce(value)

    return coerce_not_null


def _of_value(kind: Any) -> Coerce:
    """Return the coercion of values that are not null."""
    if isinstance(kind, GraphQLList):
        return _of_list(_coercion(kind.of_type))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] # as above
    if isinstance(kind, GraphQLInputObjectType):
        return _of_object(kind)
    return _of_leaf(kind)


def _of_leaf(kind: Any) -> Coerce:
    is_text = kind.name in _TEXTS

    def coerce(value: Any) -> Any:
        if is_text and type(value) is str:
            return value
        found = kind.coerce_input_value(value)
        if found is Undefined:
            raise _Undecided
        return found

    return coerce


def _of_list(item: Coerce) -> Coerce:
    def coerce(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _Undecided
        values = cast("list[Any]", value)
        return [item(each) for each in values]

    return coerce


@lru_cache(TYPES)
def _of_object(kind: GraphQLInputObjectType) -> Coerce:
    """Return the coercion to an input object, whose fields are looked at with the first value."""
    fields: dict[str, tuple[str, Coerce]] = {}
    absent: list[tuple[str, str, Any]] = []

    def coerce(value: Any) -> Any:
        if not fields:
            absent.extend(_defaults(kind))
            fields.update(_fields(kind))
        if type(value) is not dict or kind.is_one_of:
            raise _Undecided
        found: dict[str, Any] = {}
        for name, given in cast("dict[str, Any]", value).items():
            out_name, coerce_field = fields[name]
            found[out_name] = coerce_field(given)
        for name, out_name, default in absent:
            if name not in value:
                if default is Undefined:
                    raise _Undecided
                found[out_name] = default
        return kind.out_type(found)

    return coerce


def _fields(kind: GraphQLInputObjectType) -> dict[str, tuple[str, Coerce]]:
    fields: Mapping[str, Any] = kind.fields
    return {name: (each.out_name or name, _coercion(each.type)) for name, each in fields.items()}


def _defaults(kind: GraphQLInputObjectType) -> list[tuple[str, str, Any]]:
    """Return the fields that cannot be absent, with Undefined as their default, and those that have one."""
    fields: Mapping[str, Any] = kind.fields
    found = [(name, each, coerce_default_value(each)) for name, each in fields.items()]
    return [
        (name, each.out_name or name, default)
        for name, each, default in found
        if default is not Undefined or is_required_input_field(each)
    ]
