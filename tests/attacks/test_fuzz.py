"""A little of `make fuzz`."""

import random
from pathlib import Path

import pytest

from tests.attacks.fuzz import LOADERS, fuzz, server

SECONDS = 1.5


@pytest.mark.parametrize("kind", LOADERS)
def test_random_requests_find_no_accident(tmp_path: Path, kind: str) -> None:
    """With another seed each time, which is printed."""
    seed = random.randrange(2**31)
    print(f"fuzz: SCENEWIRE_TEST_SEED={seed}")  # noqa: T201 # pytest shows it when the test fails
    running = server(tmp_path)
    assert fuzz(running.url, kind, SECONDS, seed) > 0
    assert running.stop() == 0
    assert "Internal error" not in running.log.read_text()
