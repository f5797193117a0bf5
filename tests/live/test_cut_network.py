"""An event stream whose network is cut is closed in favor of a newer one of the same user."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server_process import ROOT
from tests.support.waiting import TIMEOUT_SECONDS

UNSHARE = ["unshare", "--map-root-user", "--net"]

pytestmark = pytest.mark.waiting


def can_unshare() -> bool:
    """Whether this user may make a network namespace."""
    found = shutil.which(UNSHARE[0]) is not None
    return found and subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="may not make a network namespace")
def test_event_stream_without_network_gives_way_to_a_newer_one(tmp_path: Path) -> None:
    """A live stream keeps its slot, and the newer one gets 429."""
    command = [*UNSHARE, sys.executable, "-m", "tests.support.cut_network", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert json.loads(done.stdout or "null") == [429, 200], done.stderr
