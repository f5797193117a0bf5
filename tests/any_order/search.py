"""Searching for a trace that detects a mutant, and shrinking it to the steps and arguments that matter."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.any_order.machine import AnyOrder
from tests.any_order.mutants import Mutant
from tests.any_order.replay import failed_check
from tests.any_order.trace import Step, Trace
from tests.support.property_settings import MODEST

# Tried in place of an argument that is not needed to be what it is.
SIMPLER = (0, 1, 2, 3)


class Found(NamedTuple):
    """The example in which a mutant was detected, and its number."""

    steps: list[Step]
    examples: int
    error: Exception


def search(mutant: Mutant, start: int, examples: int, max_steps: int) -> Found | None:
    """Run random examples with the mutant until one fails; None when none does."""
    runs: list[list[Step]] = []

    class Recorder(AnyOrder):
        def __init__(self) -> None:
            super().__init__()
            runs.append(self.steps)

    hunt = settings(
        MODEST,
        max_examples=examples,
        stateful_step_count=max_steps,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        print_blob=False,
    )
    try:
        with mutant():
            run_state_machine_as_test(seed(start)(Recorder), settings=hunt)
    except Exception as error:  # a mutant may also crash
        return Found(runs[-1], len(runs), error)
    return None


def shrink(mutant: Mutant, steps: Sequence[Step]) -> Trace | None:
    """Return the smallest trace found by removing steps and arguments; None when no check detects the mutant in it."""
    best, check = list(steps), detecting_check(mutant, steps)
    if check is None:
        return None
    improved = True
    while improved:
        improved = False
        for candidate in _smaller(best):
            found = detecting_check(mutant, candidate)
            if found is not None:
                best, check, improved = candidate, found, True
                break
    return Trace(check, best)


def detecting_check(mutant: Mutant, steps: Sequence[Step]) -> str | None:
    """Return the check that fails with the mutant; None unless the unchanged product passes the same trace."""
    try:
        with mutant():
            check = failed_check(steps)
        return check if check is not None and failed_check(steps) is None else None
    except Exception:  # the shortened trace makes no sense, or the mutant crashes
        return None


def _smaller(steps: list[Step]) -> Iterator[list[Step]]:
    """Without some steps, large parts first; then with simpler arguments."""
    size = len(steps) // 2
    while size:
        for start in range(len(steps) - size, -1, -1):
            yield steps[:start] + steps[start + size :]
        size //= 2
    for index, (rule, arguments) in enumerate(steps):
        for name, value in arguments.items():
            rest = {other: arguments[other] for other in arguments if other != name}
            simpler = [each for each in SIMPLER if isinstance(value, int) and each < value]
            for changed in (rest, *({**arguments, name: each} for each in simpler)):
                yield [*steps[:index], Step(rule, changed), *steps[index + 1 :]]
