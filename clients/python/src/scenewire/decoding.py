"""From the dataclasses of `models` to what a document selects, and from JSON to the dataclasses."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

Convert = Callable[[Any], Any]
T = TypeVar("T")


class _Field(NamedTuple):
    name: str
    json_name: str
    convert: Convert
    selection: str


def decode(kind: type[T], value: Mapping[str, Any]) -> T:
    """Return an instance of a dataclass from the JSON object of its selection."""
    return kind(**{each.name: each.convert(value[each.json_name]) for each in _fields(kind)})


@cache
def selection(kind: type) -> str:
    """Return the fields of a dataclass as a GraphQL selection, without braces."""
    return " ".join(each.selection for each in _fields(kind))


def camel(name: str) -> str:
    """Return the name in the schema: `retryAfter` for `retry_after`."""
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


@cache
def _fields(kind: Any) -> tuple[_Field, ...]:
    hints = get_type_hints(kind)
    return tuple(_field(each.name, hints[each.name], "connection" in each.metadata) for each in fields(kind))


def _field(name: str, hint: Any, is_connection: bool) -> _Field:
    convert, selected = _converter(hint), _selected(hint)
    if is_connection:
        return _Field(name, camel(name), partial(_nodes, convert), f"{camel(name)} {{ nodes{selected} }}")
    return _Field(name, camel(name), convert, camel(name) + selected)


def _nodes(convert: Convert, value: Mapping[str, Any]) -> Any:
    return convert(value["nodes"])


def _selected(hint: Any) -> str:
    """Return the selection behind a field of this type; nothing for a scalar."""
    for each in (hint, *get_args(hint)):
        if is_dataclass(each) and isinstance(each, type):
            return f" {{ {selection(each)} }}"
    return ""


@cache
def _converter(hint: Any) -> Convert:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        (inner,) = [each for each in arguments if each is not NoneType]
        return partial(_optional, _converter(inner))
    if origin is tuple:
        return partial(_tuple, _converter(arguments[0]))
    if is_dataclass(hint) and isinstance(hint, type):
        return partial(decode, hint)
    if hint is datetime:
        return datetime.fromisoformat
    if hint is float or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        return hint
    return _unchanged


def _optional(convert: Convert, value: Any) -> Any:
    return None if value is None else convert(value)


def _tuple(convert: Convert, value: list[Any]) -> tuple[Any, ...]:
    return tuple(convert(each) for each in value)


def _unchanged(value: Any) -> Any:
    return value
