"""A server in a process of its own, which a test can kill."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.database_choice import database_choice
from tests.support.waiting import TIMEOUT_SECONDS
from tests.support.warm_start import ROOT, WarmProcess, environment_with, has_warm_start, warm_start

__all__ = ["ROOT", "ServerProcess"]

# This only bounds how late a test fails.
START_SECONDS = TIMEOUT_SECONDS
# What asyncio logs of a task or future whose error was never retrieved, and of one that is dropped while it waits.
ORPHAN = re.compile(r"exception was never retrieved|was destroyed but it is pending")


class ServerProcess:
    """`python -m server` on a free port, with its data in `folder`; restarts keep port and data.

    `command` is what follows on the command line, such as `worker`; several in one folder need a `name` each.
    `module` is run in place of `server`, or of `default_module` where a folder of tests changes that. `root` is the
    tree whose program runs. Unless it is `warm`, it inherits from the process of the test, such as the signals that
    this ignores. A setting that is None is left to its default.
    """

    default_module = "server"

    def __init__(
        self,
        folder: Path,
        *command: str,
        name: str = "server",
        module: str | None = None,
        root: Path = ROOT,
        warm: bool = True,
        **settings: object,
    ) -> None:
        self.folder = folder
        self._warm = warm
        self._root = root
        self.url = ""
        self.log = folder / f"{name}.log"
        self._program = [module or self.default_module, *command]
        self._settings: Mapping[str, object] = {
            "database_url": database_choice.url(folder),
            "media_url": folder / "media",
            "port": 0,
            "retry_first_seconds": 0.1,
            "regenerates_an_hour": 0,
            **settings,
        }
        self._process: subprocess.Popen[bytes] | WarmProcess | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the server, for other commands beside it."""
        return environment_with({name: value for name, value in self._settings.items() if value is not None})

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Return whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> "ServerProcess":
        """Start, and wait until it listens."""
        seen = len(self.log.read_text()) if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = self._started(self.environment, log.fileno())
        give_up_at = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up_at:
            written = self.log.read_text()[seen:]
            match = re.search(r"(?:listens on|its health is at) (http://[^/\s]+)/", written)
            if match is not None:
                self.url = match.group(1)
                self._settings = {**self._settings, "port": int(self.url.rpartition(":")[2])}
                return self
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        # A supervisor would start its processes again and again.
        self.kill()
        raise AssertionError(f"the server did not start:\n{self.log.read_text()[seen:]}")

    def _started(self, environment: dict[str, str], log: int) -> "subprocess.Popen[bytes] | WarmProcess":
        if self._warm and has_warm_start(self._root, environment):
            return warm_start.run(*self._program, cwd=self._root, environment=environment, output=(log, log))
        return subprocess.Popen(
            [sys.executable, "-m", *self._program], cwd=self._root, env=environment, stdout=log, stderr=log
        )

    def send(self, number: signal.Signals) -> None:
        """Send a signal; SIGSTOP freezes it until SIGCONT."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, number: signal.Signals = signal.SIGTERM, *, within_seconds: float = TIMEOUT_SECONDS) -> int:
        """Send a signal to stop, and return the exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait(within_seconds)
        self._process = None
        self.assert_no_orphans()
        return status

    def assert_no_orphans(self) -> None:
        """Assert that the log names no task whose error was never retrieved."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        orphans = [line for line in lines if ORPHAN.search(line)]
        assert not orphans, "\n".join(lines)
