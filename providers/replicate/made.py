"""How a clip was made, by its prediction."""

import re
from collections.abc import Iterator
from dataclasses import replace

from providers.port import Made, Order
from providers.replicate.model import Model
from providers.replicate.prediction import Prediction

# "Using seed: 41234", "Random seed set to 41234", "seed=41234"
_SEED = re.compile(r"\bseed\b(?: (?:is|set to))?\s?[:=]?\s?(\d{1,10})\b", re.ASCII | re.IGNORECASE)
_LARGEST_SEED = 2**32 - 1
_METRICS = {"predict_time": "predictSeconds", "total_time": "totalSeconds"}
# In the head of a log: what a model says of its settings comes first.
_LOG_CHARACTERS = 20_000


def made(order: Order, prediction: Prediction, model: Model | None) -> Made:
    """Return the seed of the prediction, what it ignored, and its figures. `model` is None when it is not known yet."""
    seed = model.seed_in(prediction.input) if model is not None else None
    seed = _seed_in(prediction.logs) if seed is None else seed
    settings = order.settings if seed is None else replace(order.settings, seed=seed)
    return Made(
        settings=settings,
        ignored=model.shape.ignored(order) if model is not None else (),
        metrics=dict(_figures(prediction)),
    )


def _seed_in(logs: str) -> int | None:
    found = _SEED.search(logs[:_LOG_CHARACTERS])
    seed = int(found.group(1)) if found else None
    return seed if seed is not None and seed <= _LARGEST_SEED else None


def _figures(prediction: Prediction) -> Iterator[tuple[str, float]]:
    for theirs, name in _METRICS.items():
        value = prediction.metrics.get(theirs)
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, value
