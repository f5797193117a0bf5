"""How hard the property tests look: new examples in every run, and a failure prints how to see it again."""

from hypothesis import HealthCheck, settings

# Explicit, because Hypothesis would repeat the same examples for ever where it sees a CI server.
MODEST = settings(
    max_examples=60,
    derandomize=False,
    print_blob=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
