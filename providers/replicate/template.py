"""A model's input, written as a JSON object with placeholders for what an order says."""

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
    """Fills an order into an input.

    A text that is one placeholder becomes its value, numbers as numbers; within other text it is written out. What the
    order lacks (a title) is left out of the object. Raises ValueError for text that is no JSON object or that has a
    placeholder nobody knows.
    """

    def __init__(self, text: str) -> None:
        self._shape = _object(text)
        for unknown in sorted(set(_names(self._shape)) - set(PLACEHOLDERS)):
            raise ValueError(f"has no {{{unknown}}}; its placeholders are {', '.join(PLACEHOLDERS)}")
        self._seed_path = next(_paths_of_seed(self._shape), None)

    @property
    def seeded(self) -> bool:
        """Whether the input carries a seed of its own, by which the order's prediction can be told from others."""
        return self._seed_path is not None

    def input(self, order: Order) -> dict[str, object]:
        """The input for an order."""
        return cast("dict[str, object]", _filled(self._shape, _values(order)))

    def seed_in(self, given: object) -> object:
        """What stands where the seed would be in an input; None when nothing does."""
        for step in self._seed_path or ():
            if isinstance(given, dict) and isinstance(step, str):
                given = cast("dict[str, object]", given).get(step)
            elif isinstance(given, list) and isinstance(step, int):
                items = cast("list[object]", given)
                given = items[step] if step < len(items) else None
            else:
                return None
        return given if self.seeded else None


def seed(key: str) -> int:
    """A number of 31 bits that belongs to the order: another take, another seed."""
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
    """Models that want whole seconds refuse 5.0."""
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
