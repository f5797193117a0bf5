"""A short run of the chaos test; `make chaos` is the long one, with the mutants."""

import gc
import os
import random
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.chaos.run import Plan, Run

# A run that ends at the first violation leaves half-open connections to the garbage collector, which warns.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SECONDS = 6.0


@pytest.fixture(autouse=True)
def collected() -> Generator[None]:
    """Collect what a run leaves before the next test begins."""
    yield
    gc.collect()


async def test_random_writers_subscribers_and_kills_break_no_promise(tmp_path: Path) -> None:
    """No gap, repeat or late message, no lost change, and every view is what the database has.

    SCENEWIRE_TEST_SEED repeats the choices of an earlier run; pytest prints the seed when the test fails.
    """
    seed = int(os.environ.get("SCENEWIRE_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"chaos: SCENEWIRE_TEST_SEED={seed}")  # noqa: T201 # shown by pytest when the test fails
    outcome = await Run(Plan(seed, SECONDS), tmp_path).outcome()
    assert [str(violation) for violation in outcome.violations] == []
