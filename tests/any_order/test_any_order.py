"""Every rule of the machine, in whatever order chance has it, on both databases."""

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.any_order.machine import AnyOrder
from tests.properties import MODEST

EXAMPLES, STEPS = 10, 50


def test_any_order(database: None) -> None:
    """Clock, log, counters, takes and progress agree, who comes late changes nothing, and a death loses nothing."""
    run_state_machine_as_test(AnyOrder, settings=settings(MODEST, max_examples=EXAMPLES, stateful_step_count=STEPS))
