"""Comparison of JSON values, such as metadata."""

from typing import Any, cast


def same_json(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON. Python's `==` takes true for 1 and false for 0."""
    return one == other and _same_booleans(one, other)


def _same_booleans(one: Any, other: Any) -> bool:
    """Whether equal values have their booleans in the same places."""
    if isinstance(one, dict):
        return all(_same_booleans(value, other[name]) for name, value in cast("dict[str, Any]", one).items())
    if isinstance(one, list):
        return all(map(_same_booleans, cast("list[Any]", one), other))
    return isinstance(one, bool) == isinstance(other, bool)
