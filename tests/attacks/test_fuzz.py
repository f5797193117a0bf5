"""A short run of `make fuzz`."""

import re
import subprocess
import sys

import pytest

from tests.attacks.fuzz import LEAST_REQUESTS
from tests.support.server_process import ROOT
from tests.support.waiting import TIMEOUT_SECONDS

SECONDS, SEEDS = 2, 1


@pytest.fixture(scope="module", autouse=True)
def use_database() -> None:
    """The program chooses the database."""


@pytest.fixture(autouse=True)
def quiet() -> None:
    """The program starts servers of its own."""


def test_fuzzed_requests_cause_no_internal_error() -> None:
    """By both schemas on both databases, with a new seed each time, which is printed."""
    command = [sys.executable, "-m", "tests.attacks.fuzz", str(SECONDS), str(SEEDS)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    sent = [int(number) for number in re.findall(r"(\d+) requests", run.stdout)]
    assert len(sent) == 4
    assert min(sent) >= LEAST_REQUESTS, run.stdout
