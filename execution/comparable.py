"""The values of variables as parts of keys."""

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final, cast

MOST_CHARACTERS: Final = 1_000
"""Longer values are no part of a key: caches count the bytes of their keys as if they were short."""


def comparable_values(values: Mapping[str, Any], names: Iterable[str]) -> tuple[Hashable, ...] | None:
    """Return the values with these names so that they equal only what means the same; None if that is unknown."""
    try:
        found = tuple([_comparable(values.get(name, _ABSENT)) for name in names])
    except TypeError:
        return None
    if len(found) == 1 and type(found[0]) is str:
        return found if len(found[0]) <= MOST_CHARACTERS else None
    return found if not found or len(repr(found)) <= MOST_CHARACTERS else None


def _comparable(value: Any) -> Hashable:
    kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType] # of anything
    if kind is str:
        return cast("str", value)
    if kind is list:
        return (list, *[_comparable(each) for each in cast("list[Any]", value)])
    if kind is dict:
        given = cast("dict[str, Any]", value)
        return (dict, *[(name, _comparable(each)) for name, each in given.items()])
    if kind is datetime:
        return (datetime, value.isoformat())
    if value is None or value is _ABSENT or isinstance(value, str | int | float | Enum):
        return (kind, value)
    raise TypeError(value)


_ABSENT: Final = object()
