"""The script of an order for the scripted provider: the object under the key "script" of its metadata."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeGuard, cast

from providers.port import Cost, Failure, Made, Order

Outcome = Literal["succeed", "fail", "stall"]
LONGEST_STEP_SECONDS = 3600.0
MOST_STEPS = 1000
MOST_SEED = 2**32 - 1
# ISO 4217.
CURRENCY = re.compile("[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Script:
    """Steps of progress, then an outcome: a clip, a failure, or a stall until the order is canceled.

    `made` is what the provider reports about the clip. With `reads_inputs` it fetches the inputs of the order.
    """

    outcome: Outcome
    failure: Failure
    steps: int
    step_seconds: float
    frames: bool
    reads_inputs: bool
    made: Made


def script(order: Order) -> Script:
    """Parse the script of an order; missing keys have defaults. Raises Failure when it is invalid.

    With `failTakes` that many first takes fail, retryably by default, and later ones succeed.
    """
    raw = order.metadata.get("script", {})
    if not _is_object(raw):
        raise _invalid("it must be an object")
    unknown = raw.keys() - KEYS.keys()
    if unknown:
        raise _invalid(f"it has no {min(unknown)!r}; its keys are {', '.join(KEYS)}")
    for key, value in raw.items():
        is_valid, expected = KEYS[key]
        if not is_valid(value):
            raise _invalid(f"{key} must be {expected}")
    return _script({**DEFAULTS, "retryable": bool(raw.get("failTakes")), **raw}, order)


def _script(full: Mapping[str, object], order: Order) -> Script:
    outcome = cast("Outcome", full["outcome"])
    fail_takes = cast("int", full["failTakes"])
    if order.number <= fail_takes:
        outcome = "fail"
    elif fail_takes and outcome == "fail":
        outcome = "succeed"
    return Script(
        outcome=outcome,
        failure=Failure(str(full["code"]), str(full["message"]), retryable=full["retryable"] is True),
        steps=cast("int", full["steps"]),
        step_seconds=float(cast("float", full["stepSeconds"])),
        frames=full["frames"] is True,
        reads_inputs=full["readInputs"] is True,
        made=_made(full, order),
    )


def _made(full: Mapping[str, object], order: Order) -> Made:
    seed, cost = full["seed"], full["cost"]
    return Made(
        settings=None if seed is None else replace(order.settings, seed=cast("int", seed)),
        ignored=tuple(cast("list[str]", full["ignored"])),
        cost=_cost(cost) if _is_object(cost) else None,
        metrics=cast("Mapping[str, object]", full["metrics"]),
    )


def _cost(cost: Mapping[str, object]) -> Cost:
    return Cost(Decimal(str(cost["amount"])), str(cost["currency"]))


def _invalid(reason: str) -> Failure:
    return Failure("INVALID_SCRIPT", f"The script in the metadata is not usable: {reason}.", retryable=False)


def _is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_number(value: object, most: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and 0 <= value <= most


def _is_count(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(_is_text(each) for each in cast("list[object]", value))


def _is_cost(value: object) -> bool:
    if not _is_object(value) or set(value) != {"amount", "currency"}:
        return False
    amount, currency = value["amount"], value["currency"]
    if not (isinstance(amount, str) and isinstance(currency, str) and CURRENCY.fullmatch(currency)):
        return False
    try:
        number = Decimal(amount)
    except InvalidOperation:
        return False
    return number.is_finite() and number >= 0


KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "outcome": (lambda value: value in ("succeed", "fail", "stall"), "succeed, fail or stall"),
    "retryable": (_is_flag, "true or false"),
    "code": (_is_text, "a text that is not empty"),
    "message": (_is_text, "a text that is not empty"),
    "steps": (lambda value: _is_count(value, 1, MOST_STEPS), f"a whole number in 1..{MOST_STEPS}"),
    "stepSeconds": (
        lambda value: _is_number(value, LONGEST_STEP_SECONDS),
        f"a number of seconds in 0..{LONGEST_STEP_SECONDS:g}",
    ),
    "failTakes": (lambda value: _is_count(value, 0, MOST_STEPS), f"a whole number in 0..{MOST_STEPS}"),
    "frames": (_is_flag, "true or false"),
    "readInputs": (_is_flag, "true or false"),
    "seed": (lambda value: _is_count(value, 0, MOST_SEED), f"a whole number in 0..{MOST_SEED}"),
    "ignored": (_is_texts, "a list of texts that are not empty"),
    "cost": (_is_cost, 'an object such as {"amount": "0.35", "currency": "USD"}'),
    "metrics": (_is_object, "an object"),
}
DEFAULTS: Mapping[str, object] = {
    "outcome": "succeed",
    "code": "SCRIPTED_FAILURE",
    "message": "The script asked for a failure.",
    "steps": 4,
    "stepSeconds": 0.05,
    "failTakes": 0,
    "frames": False,
    "readInputs": False,
    "seed": None,
    "ignored": (),
    "cost": None,
    "metrics": {},
}
