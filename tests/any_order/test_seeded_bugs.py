"""A machine that finds nothing proves nothing: each bug that is put into the product is found."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.any_order.bugs import BUGS, Bug
from tests.any_order.machine import AnyOrder
from tests.harness.home import home
from tests.properties import MODEST

# The same examples each time, up to so many; most bugs are found by one of the first.
PATIENT = settings(
    MODEST,
    max_examples=150,
    stateful_step_count=50,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    print_blob=False,
)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_finds(bug: Bug) -> None:
    """It does not go on as if nothing were."""
    with home.on(None), bug(), pytest.raises(AssertionError):
        run_state_machine_as_test(AnyOrder, settings=PATIENT)
