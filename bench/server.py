"""A server that is measured: a process on a core of its own."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from bench import machine

START_SECONDS = 60.0
STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Launch:
    """How to start a server. `{port}` in the command and the environment is replaced by its port."""

    name: str
    command: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])
    path: str = "/graphql"


class Target(Protocol):
    """A running server, in whatever process."""

    @property
    def name(self) -> str:
        """The name in the table."""
        ...

    @property
    def port(self) -> int:
        """The port on the loopback interface."""
        ...

    @property
    def path(self) -> str:
        """The path of the API."""
        ...


class Server:
    """A running server. Raises RuntimeError, with the end of its log, when it does not start."""

    def __init__(self, launch: Launch, log: Path) -> None:
        self.launch = launch
        self.name = launch.name
        self.path = launch.path
        self.port = machine.free_port()
        self.start_cpu_seconds = 0.0
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    @property
    def cpu_seconds(self) -> float:
        """CPU time so far."""
        return machine.cpu_seconds(self.pid)

    @property
    def resident_bytes(self) -> int:
        """Resident memory."""
        return machine.resident_bytes(self.pid)

    def __enter__(self) -> Self:
        machine.check_free(self.port)
        port = str(self.port)
        command = [part.replace("{port}", port) for part in self.launch.command]
        environment = {name: value.replace("{port}", port) for name, value in self.launch.environment.items()}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SCENEWIRE_")}
        clean.pop("PYTHONDONTWRITEBYTECODE", None)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                machine.pinned(command, serves=True),
                cwd=self.launch.folder,
                env=clean | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own, so that whatever it starts can be ended with it.
                start_new_session=True,
            )
        give_up_at = time.monotonic() + START_SECONDS
        while not machine.accepts(self.port):
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self._end()
                raise RuntimeError(f"{self.name} did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.02)
        self.start_cpu_seconds = self.cpu_seconds
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
