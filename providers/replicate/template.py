"""The input of a model: a JSON object with placeholders for the fields of an order."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

from providers import catalogue
from providers.hosted.seeds import seed_of
from providers.port import Order
from providers.replicate.marks import Place

PLACEHOLDERS = (
    *("prompt", "title", "duration_seconds", "number", "seed", "negative_prompt", "aspect_ratio", "resolution"),
)
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
        self._names = frozenset(_names(self._shape))
        self._seed_place = next(_places_of_seed(self._shape), None)

    @property
    def seeded(self) -> bool:
        """Whether the input holds the seed of the order, by which its prediction can be recognized."""
        return self._seed_place is not None

    @property
    def seed_place(self) -> Place | None:
        """The place of the seed in an input; None when there is none."""
        return self._seed_place

    @property
    def takes_files(self) -> bool:
        """Whether inputs can be files: never, since a template has no placeholder for them."""
        return False

    def described(self, name: str) -> catalogue.Model:
        """Return what the model can do: it takes any length, since only its operator knows what the template means."""
        return replace(catalogue.plain_model(name), seed=self.seeded, negative_prompt="negative_prompt" in self._names)

    def check(self, order: Order) -> None:
        """Accept every order: a template has an input for each."""

    def input(self, order: Order, files: Mapping[int, str] | None = None) -> dict[str, object]:
        """Return the input for an order."""
        return cast("dict[str, object]", _filled(self._shape, _values(order)))

    def seed_for(self, seed: int) -> int:
        """Return the seed; the bounds of the model are not known."""
        return seed

    def ignored(self, order: Order) -> tuple[str, ...]:
        """Return the settings of the order that the template has no placeholders for."""
        given = {
            "durationSeconds": ("duration_seconds", order.duration_seconds),
            "aspectRatio": ("aspect_ratio", order.settings.aspect_ratio),
            "resolution": ("resolution", order.settings.resolution),
        }
        return tuple(name for name, (placeholder, value) in given.items() if value and placeholder not in self._names)


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
        "seed": seed_of(order),
        "negative_prompt": order.settings.negative_prompt,
        "aspect_ratio": order.settings.aspect_ratio,
        "resolution": f"{order.settings.resolution[1:]}p" if order.settings.resolution else None,
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


def _leaves(shape: object, path: Place = ()) -> Iterator[tuple[Place, object]]:
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


def _places_of_seed(shape: object) -> Iterator[Place]:
    return (path for path, leaf in _leaves(shape) if leaf == _SEED)
