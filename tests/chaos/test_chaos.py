"""The chaos run, in short: `make chaos` is the long one."""

import gc
import os
import random
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.chaos.bugs import Bug
from tests.chaos.run import Plan, Run
from tests.chaos.violations import Kind

# A run that ends at the first lie leaves connections that were being made to the collector, which says so.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SECONDS = 9.0
# A run ends at the first lie: with a bug it takes a few seconds, and this long only if nobody notices anything.
BUG_SECONDS = 40.0


@pytest.fixture(autouse=True)
def collected() -> Generator[None]:
    """What a run leaves is collected before the next test begins."""
    yield
    gc.collect()


def plan(seconds: float, bug: Bug | None = None) -> Plan:
    """By chance that can be repeated: SCENEWIRE_TEST_SEED names the seed, which is printed."""
    seed = int(os.environ.get("SCENEWIRE_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"chaos: SCENEWIRE_TEST_SEED={seed}")  # noqa: T201 # shown by pytest when the test fails
    return Plan(seed, seconds, bug)


async def test_nobody_is_lied_to(tmp_path: Path) -> None:
    """While connections are cut and stalled and the server is killed: no hole, no repeat, nothing lost, all equal."""
    outcome = await Run(plan(SECONDS), tmp_path).result()
    assert [str(violation) for violation in outcome.violations] == []


@pytest.mark.parametrize(
    ("bug", "kinds"),
    [(Bug.PUBLISH_BEFORE_COMMIT, {Kind.LATE}), (Bug.JOIN_AFTER_READ, {Kind.HOLE, Kind.LATE})],
)
async def test_a_lie_is_caught(tmp_path: Path, bug: Bug, kinds: set[Kind]) -> None:
    """With a bug in the server the same run notices what subscribers suffer from it."""
    outcome = await Run(plan(BUG_SECONDS, bug), tmp_path).result()
    found = {violation.kind for violation in outcome.violations}
    assert found
    assert found <= kinds
