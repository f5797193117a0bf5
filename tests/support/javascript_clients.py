"""The packages @scenewire/client and @scenewire/react, built from their sources."""

import os
import subprocess
from pathlib import Path

from tests.support import node_runtime
from tests.support.process_lock import process_lock
from tests.support.server_process import ROOT

FOLDER = ROOT / "clients"


def build() -> None:
    """Install what the clients need and build them, unless that is done. Other processes wait for it."""
    with process_lock(FOLDER):
        subprocess.run([FOLDER / "build"], check=True)


def run(*command: str, cwd: Path = FOLDER) -> str:
    """Run a command of npm or of an installed package; return what it prints. Raises CalledProcessError."""
    bins = [str(FOLDER / "node_modules" / ".bin"), str(Path(node_runtime.node()).parent), os.environ.get("PATH", "")]
    environment = {**os.environ, "PATH": os.pathsep.join(bins)}
    return subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True, text=True).stdout
