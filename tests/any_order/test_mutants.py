"""Each mutant of the product is detected by a recorded trace, which the unchanged product passes.

Without this, a state machine that checks nothing would pass as well. Traces are recorded by
`python -m tests.any_order record`, needed again when a rule or a check was renamed.
"""

from contextlib import nullcontext

import pytest

from tests.any_order import trace
from tests.any_order.mutants import DATABASE_DEPENDENT, MUTANTS
from tests.any_order.replay import failed_check

ON_BOTH = sorted(DATABASE_DEPENDENT)
ON_SQLITE = sorted(MUTANTS.keys() - DATABASE_DEPENDENT)


def test_every_mutant_has_a_trace() -> None:
    """And every trace a mutant."""
    assert trace.names() == sorted(MUTANTS)


@pytest.mark.parametrize("name", ON_SQLITE)
def test_mutant_is_detected_by_its_trace(name: str, database: None) -> None:
    """By the recorded check, while the unchanged product passes."""
    check_trace(name)


@pytest.mark.both_databases
@pytest.mark.parametrize("name", ON_BOTH)
def test_mutant_is_detected_on_both_databases(name: str, database: None) -> None:
    """The same where the databases differ."""
    check_trace(name)


def check_trace(name: str) -> None:
    detected_by, steps = trace.load(name)
    for patched, failing in ((nullcontext, None), (MUTANTS[name], detected_by)):
        with patched():
            assert failed_check(steps) == failing
