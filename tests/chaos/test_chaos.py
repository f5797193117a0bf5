"""Short runs of the chaos test; `make chaos` is the long one, with the mutants, on both databases."""

import gc
import os
import random
from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.chaos import client_run
from tests.chaos.client_run import ClientRun
from tests.chaos.run import Plan, Run
from tests.support import headless_chromium

# A run that ends at the first violation leaves half-open connections to the garbage collector, which warns.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SECONDS = 6.0
CLIENT_SECONDS = 4.0


@pytest.fixture(autouse=True)
def collected() -> Generator[None]:
    """Collect what a run leaves before the next test begins."""
    yield
    gc.collect()


async def test_random_writers_subscribers_and_kills_break_no_promise(tmp_path: Path) -> None:
    """No gap, repeat or late message, no lost change, and every view is what the database has.

    SCENEWIRE_TEST_SEED repeats the choices of an earlier run; pytest prints the seed when the test fails.
    """
    outcome = await Run(Plan(new_seed(), SECONDS), tmp_path).outcome()
    assert [str(violation) for violation in outcome.violations] == []


async def test_clients_show_only_states_that_were_and_the_last_one(tmp_path: Path) -> None:
    """In Node, Python and a browser, while lines are cut and frozen and the server is killed.

    How long each takes is measured by the long run: here it would be the time of a busy machine.
    """
    path = headless_chromium.executable()
    async with nullcontext() if path is None else headless_chromium.running(path) as browser:
        plan = client_run.Plan(new_seed(), seconds=CLIENT_SECONDS, kills=1, longest_seconds=1.0)
        outcome = await ClientRun(plan, tmp_path, browser).outcome()
    assert [str(violation) for violation in outcome.violations] == []


def new_seed() -> int:
    seed = int(os.environ.get("SCENEWIRE_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"chaos: SCENEWIRE_TEST_SEED={seed}")  # noqa: T201 # shown by pytest when the test fails
    return seed
