"""Every rule of the machine, in whatever order chance has it, on both databases; `make proof` does it in full."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.any_order.machine import AnyOrder
from tests.support.database_choice import home
from tests.support.property_settings import MODEST

STEPS = 50


def test_any_order(database: None) -> None:
    """Clock, log, counters, takes and progress agree, who comes late changes nothing, and a death loses nothing."""
    examples = 8 if home.distributed else 10
    run_state_machine_as_test(AnyOrder, settings=settings(MODEST, max_examples=examples, stateful_step_count=STEPS))
