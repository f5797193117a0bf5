"""The input of a model: a JSON object with placeholders for the fields of an order."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import cast

from providers.port import Order

PLACEHOLDERS = ("prompt", "title", "duration_seconds", "number", "seed")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_SEED = "{seed}"

Value = str | int | float | None


class Template:
    """Makes the input for an order.

    A string that is one placeholder becomes its value, numbers as numbers; within other text it is formatted. Fields
    that the order does not have (a title) are left out. Raises ValueError for text that is not a JSON object or has an
    unknown placeholder.
    """

    def __init__(self, text: str) -> None:
        self._shape = _object(text)
        for unknown in sorted(set(_names(self._shape)) - set(PLACEHOLDERS)):
            raise ValueError(f"has no {{{unknown}}}; its placeholders are {', '.join(PLACEHOLDERS)}")
        self._seed_path = next(_paths_of_seed(self._shape), None)

    @property
    def seeded(self) -> bool:
        """Whether the input holds the seed of the order, by which its prediction can be recognized."""
        return self._seed_path is not None

    def input(self, order: Order) -> dict[str, object]:
        """Return the input for an order."""
        return cast("dict[str, object]", _filled(self._shape, _values(order)))

    def seed_in(self, value: object) -> object:
        """Return the value at the place of the seed in an input; None when there is none."""
        for step in self._seed_path or ():
            if isinstance(value, dict) and isinstance(step, str):
                value = cast("dict[str, object]", value).get(step)
            elif isinstance(value, list) and isinstance(step, int):
                items = cast("list[object]", value)
                value = items[step] if step < len(items) else None
            else:
                return None
        return value if self.seeded else None


def seed(key: str) -> int:
    """Return a number of 31 bits for an order's key: each take has its own seed."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) >> 1


def _object(text: str) -> dict[str, object]:
    try:
        shape: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from error
    if not isinstance(shape, dict):
        raise ValueError('is not a JSON object such as {"prompt": "{prompt}"}')
    return cast("dict[str, object]", shape)


def _values(order: Order) -> Mapping[str, Value]:
    return {
        "prompt": order.prompt,
        "title": order.title,
        "duration_seconds": _plain(order.duration_seconds),
        "number": order.number,
        "seed": seed(order.key),
    }


def _plain(number: float) -> float | int:
    """Return whole numbers as int: models that require an integer refuse 5.0."""
    return int(number) if number.is_integer() else number


def _filled(shape: object, values: Mapping[str, Value]) -> object:
    match shape:
        case str():
            whole = _PLACEHOLDER.fullmatch(shape)
            return values[whole.group(1)] if whole else _PLACEHOLDER.sub(lambda found: _text(values, found), shape)
        case dict():
            pairs = [(name, value, _filled(value, values)) for name, value in cast("dict[str, object]", shape).items()]
            return {name: filled for name, value, filled in pairs if filled is not None or value is None}
        case list():
            return [_filled(item, values) for item in cast("list[object]", shape)]
        case _:
            return shape


def _text(values: Mapping[str, Value], found: re.Match[str]) -> str:
    value = values[found.group(1)]
    return "" if value is None else str(value)


def _leaves(shape: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], object]]:
    match shape:
        case dict():
            for name, value in cast("dict[str, object]", shape).items():
                yield from _leaves(value, (*path, name))
        case list():
            for index, value in enumerate(cast("list[object]", shape)):
                yield from _leaves(value, (*path, index))
        case _:
            yield path, shape


def _names(shape: object) -> Iterator[str]:
    for _, leaf in _leaves(shape):
        if isinstance(leaf, str):
            yield from _PLACEHOLDER.findall(leaf)


def _paths_of_seed(shape: object) -> Iterator[tuple[str | int, ...]]:
    return (path for path, leaf in _leaves(shape) if leaf == _SEED)
