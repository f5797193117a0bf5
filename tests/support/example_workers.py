"""The example workers of docs/examples/workers, as processes that a test can kill and freeze."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.server_process import ROOT
from tests.support.waiting import TIMEOUT_SECONDS

EXAMPLES = ROOT / "docs" / "examples" / "workers"


def slow_copy(clip: Path, seconds: float) -> list[str]:
    """Return a command that renders for so long: it reports percentages, and copies a clip to its last argument."""
    step = seconds / 4
    return ["bash", "-c", f'cat >/dev/null; for p in 20 40 60 80; do sleep {step}; echo $p; done; cp {clip} "$0"']


class ExampleWorker:
    """A worker and its renders, in a process group of their own."""

    def __init__(self, folder: Path, url: str, name: str, *render: str, script: str = "worker.py", **env: str) -> None:
        program = [sys.executable, script] if script.endswith(".py") else ["bash", script]
        self.log = folder / f"{name}.log"
        self._command = [*program, *render]
        self._environment = os.environ | {"SCENEWIRE_URL": url, "WORKER_NAME": name} | env
        self._process: subprocess.Popen[bytes] | None = None
        self.name = name

    def start(self) -> "ExampleWorker":
        """Start it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=EXAMPLES, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def revive(self) -> None:
        """Start it again if it has ended, as a supervisor does."""
        if self._process is None or self._process.poll() is not None:
            self.start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the worker and its renders; SIGSTOP freezes them until SIGCONT."""
        if self._process is not None:
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kill the worker and its renders, and wait for the end."""
        if self._process is not None:
            self.send(signal.SIGKILL)
            self._process.wait(TIMEOUT_SECONDS)
            self._process = None
