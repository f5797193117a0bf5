"""A short run of the state machine on both databases; `make proof` is the long one."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.any_order.machine import AnyOrder
from tests.support.database_choice import database_choice
from tests.support.property_settings import MODEST

pytestmark = pytest.mark.both_databases

STEPS = 50


@pytest.mark.both_databases
def test_product_matches_the_model_for_random_commands(database: None) -> None:
    """Log, versions, counters, takes and progress match; stale workers change nothing and a crash loses nothing."""
    examples = 4 if database_choice.distributed else 6
    # Shrinking a failure would take minutes, and its steps are printed anyway.
    quick = settings(MODEST, max_examples=examples, stateful_step_count=STEPS, phases=[Phase.explicit, Phase.generate])
    run_state_machine_as_test(AnyOrder, settings=quick)
