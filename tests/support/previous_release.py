"""The last release, whose processes run beside those of this tree during a roll-out."""

import io
import subprocess
import tarfile
from pathlib import Path
from shutil import which

import pytest

from tests.support.server_process import ROOT

# The commit of the release, and the revision of its database. Moved forward with each release.
FILE = ROOT / ".ci" / "previous-release"
# What its program does not need takes longer to unpack than the program.
LEFT_OUT = ("bench", "docs", "web", "requirements*", "tests/**/test_*.py")


def revision() -> str:
    """Return the revision of the database of the last release."""
    return FILE.read_text().split()[1]


def unpacked(folder: Path) -> Path:
    """Return a folder with the program of the last release.

    The test is skipped where the clone does not have it, as a shallow or an exported one.
    """
    commit = FILE.read_text().split()[0]
    command = ["git", "archive", commit, ".", *(f":(exclude,glob){pattern}" for pattern in LEFT_OUT)]
    if which("git") is None:
        pytest.skip("git is not installed, so there is no last release")
    packed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if packed.returncode != 0:
        pytest.skip(f"this clone has no commit {commit[:12]}, the last release: {packed.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as tree:
        tree.extractall(folder, filter="data")
    return folder
