"""How the values of narrow rows, which are as the database driver returns them, become answers and attributes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints, is_typeddict

import orjson

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class RawValues:
    """The conversions for one kind of database. None is never converted."""

    answers: Mapping[str, Convert] = field(default_factory=dict[str, Convert])
    """From a raw value to its JSON value, by the name of a custom scalar, such as DateTime."""

    inline: Mapping[str, Callable[[str, str], str]] = field(default_factory=dict[str, Callable[[str, str], str]])
    """The same as source, which saves a call for most values: from the source of a value and that of the function in
    `answers`. It raises for null."""

    instant: Convert = datetime.fromisoformat
    """From a raw value to a datetime."""

    json: Convert = orjson.loads
    """From a raw value to a dict or a list."""


class Unconvertible(Exception):
    """A column whose annotation does not say how it is converted."""


def converter(row: type, column: str, raw: RawValues) -> Convert | None:
    """Return the conversion from a raw value of the column to the attribute of an ordinary row; None if it is equal.

    Raises Unconvertible when the row has no such column or its annotation is unknown.
    """
    kind: Any = _kind(row, column)
    if kind is datetime:
        return raw.instant
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {each.value: each for each in kind}.__getitem__
    if kind is bool:
        return bool
    if _is_json(kind):
        return raw.json
    if kind in _EQUAL:
        return None
    raise Unconvertible(f"{row.__name__}.{column}")


def is_exact(row: type, column: str, scalar: str, *, nullable: bool) -> bool:
    """Return whether all values of a column are answers for this scalar of the specification.

    Annotations say it of the columns of tables: the database enforces them, or only this program writes them.
    """
    kind: Any = _kind(row, column)
    return kind in _EXACT.get(scalar, ()) and (nullable or _hints(row)[column] is kind)


def _is_json(kind: Any) -> bool:
    return get_origin(kind) in _JSON or kind in _JSON or is_typeddict(kind)


@cache
def _kind(row: type, column: str) -> Any:
    """Return the annotation of a column, without None."""
    hint = _hints(row).get(column)
    if get_origin(hint) in (Union, UnionType):
        kinds = [each for each in get_args(hint) if each is not NoneType]
        return kinds[0] if len(kinds) == 1 else None
    return hint


@cache
def _hints(row: type) -> dict[str, Any]:
    return get_type_hints(row)


_EXACT: Final[Mapping[str, tuple[type, ...]]] = {"String": (str,), "ID": (str,), "Int": (int,), "Float": (float,)}
_EQUAL: Final = (str, int, float)
_JSON: Final = (dict, list)
