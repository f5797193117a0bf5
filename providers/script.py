"""The script of an order for the scripted provider: the object under the key "script" of its metadata."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeGuard, cast

from providers.port import Failure, Order

Outcome = Literal["succeed", "fail", "stall"]
LONGEST_STEP_SECONDS = 3600.0
MOST_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Script:
    """Steps of progress, then an outcome: a clip, a failure, or a stall until the order is canceled."""

    outcome: Outcome
    failure: Failure
    steps: int
    step_seconds: float
    frames: bool


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
    return _script({**DEFAULTS, "retryable": bool(raw.get("failTakes")), **raw}, order.number)


def _script(full: Mapping[str, object], number: int) -> Script:
    outcome = cast("Outcome", full["outcome"])
    fail_takes = cast("int", full["failTakes"])
    if number <= fail_takes:
        outcome = "fail"
    elif fail_takes and outcome == "fail":
        outcome = "succeed"
    return Script(
        outcome=outcome,
        failure=Failure(str(full["code"]), str(full["message"]), retryable=full["retryable"] is True),
        steps=cast("int", full["steps"]),
        step_seconds=float(cast("float", full["stepSeconds"])),
        frames=full["frames"] is True,
    )


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
}
DEFAULTS: Mapping[str, object] = {
    "outcome": "succeed",
    "code": "SCRIPTED_FAILURE",
    "message": "The script asked for a failure.",
    "steps": 4,
    "stepSeconds": 0.05,
    "failTakes": 0,
    "frames": False,
}
