"""The fields by which a prediction is matched to an order."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple, cast

from providers.hosted import inputs
from providers.replicate.prediction import Prediction

# The place of a value in an input.
Place = tuple[str | int, ...]


class Marks(NamedTuple):
    """The fields of a prediction; `inputs` is empty once its data was removed; `seeds` are values by their places."""

    webhook: str | None
    has_webhook_field: bool
    seeds: Mapping[Place, object]
    inputs: Mapping[str, inputs.Digest]
    model: str


class Match(Enum):
    """Whether a prediction is that of an order; UNCLEAR until it is known with its callback URL.

    ALIKE is one without a mark whose input is the same: it may also be that of another order with the same prompt.
    """

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"
    ALIKE = "alike"


def marks_of(prediction: Prediction, places: Iterable[Place]) -> Marks:
    """Return the marks of a prediction, with the values of its input at these places."""
    return Marks(
        prediction.webhook,
        prediction.has_webhook_field,
        {place: value_at(prediction.input, place) for place in places},
        inputs.digests(prediction.input),
        prediction.model,
    )


def value_at(value: object, place: Place) -> object:
    """Return the value at a place within JSON; None when there is none."""
    for step in place:
        if isinstance(value, dict) and isinstance(step, str):
            value = cast("dict[str, object]", value).get(step)
        elif isinstance(value, list) and isinstance(step, int):
            items = cast("list[object]", value)
            value = items[step] if step < len(items) else None
        else:
            return None
    return value
