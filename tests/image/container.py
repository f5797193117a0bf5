"""A process in the image: with a read-only root, /tmp in memory, /data on disk, and namespaces of its own."""

import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.image.buildah import Image
from tests.support.os_processes import children_of

# A limit for what hangs: a busy machine may need long.
TIMEOUT_SECONDS = 120.0
# As a runtime of containers does it. $0 is the root, $1 the folder with the data, $2 the user; then come variables and
# the command.
SET_UP = """
set -e
mount --bind "$0" "$0"
mount -o remount,bind,ro "$0"
mount -t tmpfs -o mode=1777 tmpfs "$0/tmp"
mount --bind "$1" "$0/data"
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
user=$2; shift 2
exec chroot --userspec="$user" "$0" /usr/bin/env -i "$@"
"""


class Server:
    """The command of the image, as process 1 of a namespace."""

    def __init__(self, image: Image, data: Path, log: Path, **settings: str) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {"SCENEWIRE_HOST": "127.0.0.1", "SCENEWIRE_PORT": str(self.port), **settings}
        self.log = log
        self.seconds = 0.0
        self._image = image
        self._data = data

    @contextmanager
    def running(self) -> Generator[None]:
        """Start it, wait until it is healthy, and end it."""
        with self.log.open("ab") as log:
            began = time.monotonic()
            command = _command(self._image, self._data, self.settings, self._image.command)
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
            try:
                self._wait_until_healthy()
                self.seconds = time.monotonic() - began
                yield
            finally:
                self._process.kill()
                self._process.wait()

    @property
    def pid(self) -> int:
        """The process of the server, as this machine counts."""
        (pid,) = children_of(self._process.pid)
        return pid

    def cpu_seconds(self) -> float:
        """Return the CPU time of the server so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> int:
        """Send SIGTERM; return the exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return self._process.wait(TIMEOUT_SECONDS)

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended:\n{self.log.read_text()[-4000:]}")
            try:
                if httpx.get(f"{self.url}/healthz", timeout=2.0).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.02)
        raise TimeoutError(f"the server is not healthy:\n{self.log.read_text()[-4000:]}")


def run(image: Image, data: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the image to its end."""
    return subprocess.run(
        _command(image, data, environment, command),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def _command(image: Image, data: Path, environment: dict[str, str], command: Sequence[str]) -> list[str]:
    variables = [f"{name}={value}" for name, value in ({**image.environment, **environment}).items()]
    inside = ["sh", "-c", f"cd {shlex.quote(image.folder)} && exec {shlex.join(command)}"]
    user = f"{image.user}:{image.user}"
    own = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    return [*own, "sh", "-c", SET_UP, str(image.root), str(data), user, *variables, *inside]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
