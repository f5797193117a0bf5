"""A machine that finds nothing proves nothing: each bug that is put into the product is found."""

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.any_order.bugs import BUGS, Bug
from tests.any_order.machine import AnyOrder
from tests.support.database_choice import home
from tests.support.property_settings import MODEST

# What Hypothesis generates from a seed depends on which modules are loaded.
pytestmark = pytest.mark.seeded

# Where the search begins: with these a bug is found soon, with others it takes longer. What is not named begins with 1.
SEEDS = {
    "attempts_not_counted": 8,
    "canceled_starts_again": 2,
    "clip_kept": 8,
    "counted_though_deleted": 4,
    "cut_kept": 14,
    "deleted_obeys": 4,
    "half_a_change": 2,
    "high_water_kept": 8,
    "hole_in_the_order": 6,
    "lock_ignored": 3,
    "queued_though_canceled": 3,
    "restored_into_processing": 4,
    "selected_not_current": 14,
    "stale_run": 2,
    "stale_take": 8,
    "status_after_delete": 2,
    "stranger_let_in": 6,
    "take_over_without_run": 2,
    "ticket_missing": 3,
    "version_twice": 10,
    "window_ignored": 14,
}
PATIENT = settings(
    MODEST,
    max_examples=300,
    stateful_step_count=50,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    print_blob=False,
)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_finds(bug: Bug) -> None:
    """It does not go on as if nothing were."""
    start = seed(SEEDS.get(bug.__name__, 1))
    with home.on(None), bug(), pytest.raises(AssertionError):
        run_state_machine_as_test(start(AnyOrder), settings=PATIENT)
