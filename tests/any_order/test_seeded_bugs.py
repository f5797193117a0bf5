"""A machine that finds nothing proves nothing: each bug that is put into the product is found."""

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.any_order.bugs import BUGS, Bug
from tests.any_order.machine import AnyOrder
from tests.harness.home import home
from tests.properties import MODEST

# Where the search begins: with these a bug is found soon, with others it takes longer. What is not named begins with 1.
SEEDS: dict[str, int] = {}
PATIENT = settings(
    MODEST,
    max_examples=100,
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
