"""Conversion of arguments from GraphQL to Python, prepared once for each argument.

Strawberry looks at the type of every value of every request again, which takes an eighth of a mutation with twenty
input objects.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

import strawberry
from strawberry.scalars import is_scalar
from strawberry.types.arguments import convert_argument
from strawberry.types.base import StrawberryList, StrawberryMaybe, StrawberryOptional, has_object_definition
from strawberry.types.enum import StrawberryEnumDefinition, has_enum_definition
from strawberry.types.field import StrawberryField

Convert = Callable[[Any], Any]
"""Converts a value that is not null."""

# How many fields and types of arguments stay prepared.
TYPES: Final = 512


class Argument(NamedTuple):
    """An argument of a field, or a field of an input object. Without `convert`, the value stays as it is."""

    name: str
    python_name: str
    convert: Convert | None

    def of(self, value: Any) -> Any:
        """Return the converted value."""
        return value if value is None or self.convert is None else self.convert(value)


@lru_cache(TYPES)
def arguments_of(schema: strawberry.Schema, field: StrawberryField) -> tuple[Argument, ...]:
    """Return the arguments of a field."""
    name_of = schema.config.name_converter.from_argument
    return tuple(Argument(name_of(each), each.python_name, _converter(schema, each.type)) for each in field.arguments)


def converted(arguments: tuple[Argument, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are given, by the names that Python uses, as Strawberry's `convert_arguments` does."""
    return {each.python_name: each.of(given[each.name]) for each in arguments if each.name in given}


def _converter(schema: strawberry.Schema, kind: Any) -> Convert | None:
    """Return the conversion to a type, None where Strawberry keeps the value."""
    if isinstance(kind, StrawberryMaybe):
        return _by_strawberry(schema, kind)
    if isinstance(kind, StrawberryOptional):
        return _converter(schema, kind.of_type)
    if isinstance(kind, StrawberryList):
        return _list_converter(_converter(schema, kind.of_type))
    if isinstance(kind, StrawberryEnumDefinition) or has_enum_definition(kind):
        return None
    if has_object_definition(kind) and kind.__strawberry_definition__.from_input is None:
        return _object_converter(schema, kind)
    registry = schema.schema_converter.scalar_registry
    if is_scalar(kind, registry) and kind is not strawberry.relay.GlobalID:
        return None
    return _by_strawberry(schema, kind)


def _by_strawberry(schema: strawberry.Schema, kind: Any) -> Convert:
    """Return the conversion of types that this program does not use."""
    registry = schema.schema_converter.scalar_registry
    return lambda value: convert_argument(value, kind, registry, schema.config)


def _list_converter(item: Convert | None) -> Convert:
    # Also a list that stays as it is has to be copied: a default is the same list for all requests.
    if item is None:
        return list
    return lambda values: [None if value is None else item(value) for value in values]


@lru_cache(TYPES)
def _object_converter(schema: strawberry.Schema, kind: type[Any]) -> Convert:
    """Return the conversion to an input object, whose fields are looked at with the first value."""
    fields: dict[str, Argument] = {}
    absent: dict[str, None] = {}

    def convert(value: Mapping[str, Any]) -> Any:
        if not fields:
            absent.update(_without_default(kind))
            fields.update((each.name, each) for each in _fields(schema, kind))
        given: dict[str, Any] = dict(absent)
        # Most fields of a large input object are not given.
        for name, found in value.items():
            _, python_name, convert = fields[name]
            given[python_name] = found if found is None or convert is None else convert(found)
        return kind(**given)

    return convert


def _fields(schema: strawberry.Schema, kind: type[Any]) -> list[Argument]:
    definition = cast("Any", kind).__strawberry_definition__
    name_of = schema.config.name_converter.from_field
    return [
        Argument(name_of(each), each.python_name, _converter(schema, each.resolve_type(type_definition=definition)))
        for each in definition.fields
    ]


def _without_default(kind: type[Any]) -> dict[str, None]:
    """Return null for the fields without a default, which the constructor requires even if they are nullable."""
    fields: list[Any] = cast("Any", kind).__strawberry_definition__.fields
    return {
        each.python_name: None for each in fields if each.default_value is MISSING and each.default_factory is MISSING
    }
