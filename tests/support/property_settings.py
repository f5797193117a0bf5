"""How many random examples a test tries. `make unit` and `make test` set SCENEWIRE_TEST_EFFORT to fractions, and
`make proof` to many times as many."""

import os

from hypothesis import HealthCheck, settings

EFFORT = float(os.environ.get("SCENEWIRE_TEST_EFFORT", "1"))


def scaled(number: int) -> int:
    """Return the number of examples, rounds or rivals for the effort of this run; at least 2."""
    return max(2, round(number * EFFORT))


# New examples in every run; a failure prints how to repeat it. Explicit, because Hypothesis would repeat the same
# examples where it detects a CI server.
MODEST = settings(
    max_examples=scaled(60),
    derandomize=False,
    print_blob=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
