"""A trace: the steps of a run of the state machine, as data that is stored, read by people and replayed."""

import functools
import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from models.domain.lifecycle import SceneStatus
from tests.any_order.env import CrashPoint

FOLDER = Path(__file__).parent / "traces"
# The arguments that JSON does not have a type for.
TYPES: dict[str, Callable[[Any], Any]] = {"status": SceneStatus, "crash": CrashPoint}

P = ParamSpec("P")


class Step(NamedTuple):
    """A call of a rule. Arguments that have their default are left out."""

    rule: str
    arguments: dict[str, Any]


class Trace(NamedTuple):
    """The steps that reveal a mutant, and the function whose assertion fails then."""

    detected_by: str
    steps: list[Step]


class Recording(Protocol):
    """A machine that records its steps."""

    steps: list[Step]


M = TypeVar("M", bound=Recording)


def recorded(rule: Callable[Concatenate[M, P], None]) -> Callable[Concatenate[M, P], None]:
    """Decorate a rule: each call is appended to the machine's `steps`."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(rule).parameters.items()}

    @functools.wraps(rule)
    def record(self: M, *args: P.args, **kwargs: P.kwargs) -> None:
        arguments = {name: value for name, value in kwargs.items() if value != defaults[name]}
        self.steps.append(Step(rule.__name__, arguments))
        rule(self, *args, **kwargs)

    return record


def save(mutant: str, trace: Trace) -> None:
    """Write a trace, one step per line."""
    lines = [json.dumps({"rule": step.rule, **step.arguments}) for step in trace.steps]
    steps = ",\n    ".join(lines)
    FOLDER.mkdir(exist_ok=True)
    _file(mutant).write_text(f'{{\n  "detected_by": "{trace.detected_by}",\n  "steps": [\n    {steps}\n  ]\n}}\n')


def load(mutant: str) -> Trace:
    """Read the trace of a mutant. Raises FileNotFoundError when none was recorded."""
    stored = json.loads(_file(mutant).read_text())
    return Trace(stored["detected_by"], [_step(each) for each in stored["steps"]])


def names() -> Sequence[str]:
    """Return the names of the mutants that have a trace."""
    return sorted(file.stem for file in FOLDER.glob("*.json"))


def _file(mutant: str) -> Path:
    return FOLDER / f"{mutant}.json"


def _step(stored: dict[str, Any]) -> Step:
    rule = stored.pop("rule")
    arguments = {name: value if value is None else TYPES.get(name, _same)(value) for name, value in stored.items()}
    return Step(rule, arguments)


def _same(value: Any) -> Any:
    return value
