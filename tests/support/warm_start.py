"""Python programs that start without importing the server again, which takes 3 s of CPU: `python -m` by a fork.

`WarmStart` keeps one process that has imported the server and runs nothing; each program is a fork of it, with
environment, folder and files of its own. It is killed and waited for like any other process.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What the programs import sooner or later. None of these modules reads a setting or starts a thread when imported.
IMPORTED = (
    "server.cli",
    "server.processes.serve",
    "server.processes.supervisor",
    "models.migrations.run",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "uvloop",
)
MOST_BYTES = 2**17
ROOT = Path(__file__).parent.parent.parent


def environment_with(settings: Mapping[str, object]) -> dict[str, str]:
    """Return the environment of this process with these settings of the server, and no others."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCENEWIRE_")}
    return clean | {f"SCENEWIRE_{name.upper()}": str(value) for name, value in settings.items()}


def _read_by_the_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(("LD_", "PYTHON"))}


_AT_THE_START = _read_by_the_interpreter(os.environ)


def has_warm_start(root: Path, environment: Mapping[str, str]) -> bool:
    """Return whether a program of this tree can be a fork: its interpreter starts as this one has started."""
    return root == ROOT and _read_by_the_interpreter(environment) == _AT_THE_START and hasattr(os, "pidfd_open")


class WarmProcess:
    """A process that was forked; the methods are those of subprocess.Popen."""

    def __init__(self, start: "WarmStart", pid: int) -> None:
        self.pid = pid
        self._start = start
        self._status: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal, or None while the process runs."""
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit status. Raises TimeoutExpired after `timeout` seconds."""
        status = self._ended_within(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def _ended_within(self, seconds: float | None) -> int | None:
        # Kept: afterwards the process id may be that of another process.
        if self._status is None:
            self._status = self._start.status(self.pid, seconds)
        return self._status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class WarmStart:
    """The process that has imported the server, started with the first program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._ended: dict[int, int] = {}

    def run(
        self, module: str, *arguments: str, cwd: Path, environment: Mapping[str, str], output: tuple[int, int]
    ) -> WarmProcess:
        """Start `python -m module arguments`; `output` are the descriptors of its standard output and error."""
        order = json.dumps([module, arguments, str(cwd), {**environment}]).encode()
        assert len(order) < MOST_BYTES
        with self._lock:
            warm = self._connected()
            socket.send_fds(warm, [order], output)
            while "pid" not in (answer := self._answer(warm)):
                self._note(answer)
            self._ended.pop(answer["pid"], None)
        return WarmProcess(self, answer["pid"])

    def status(self, pid: int, timeout: float | None) -> int | None:
        """Return the exit status of a process, for which it waits so many seconds, or None while it runs."""
        give_up_at = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._lock:
                warm = self._connected()
                while pid not in self._ended and _is_readable(warm, 0):
                    self._note(self._answer(warm))
                if pid in self._ended:
                    return self._ended[pid]
            if give_up_at is not None and time.monotonic() >= give_up_at:
                return None
            # Without the lock: other threads start and await other processes.
            _is_readable(warm, 0.02)

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                command = [sys.executable, "-m", __name__]
                process = subprocess.Popen(command, stdin=theirs.fileno(), env=environment_with({}))
            atexit.register(self._end, self._socket, process)
        return self._socket

    @staticmethod
    def _end(connected: socket.socket, process: "subprocess.Popen[bytes]") -> None:
        connected.close()
        process.wait()

    @staticmethod
    def _answer(warm: socket.socket) -> dict[str, int]:
        received = warm.recv(MOST_BYTES)
        assert received, "the process that forks has ended"
        return json.loads(received)

    def _note(self, answer: dict[str, int]) -> None:
        self._ended[answer["ended"]] = answer["status"]


def _is_readable(connected: socket.socket, seconds: float) -> bool:
    # Not `select`, which takes no descriptor above 1023: tests open thousands of sockets.
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(1000 * seconds))


warm_start = WarmStart()


class _Forks:
    """The other side: forks a process for each order, and reports its end."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._running: dict[int, int] = {}

    def until_program(self) -> tuple[str, list[str]]:
        """Serve orders until the other side ends; return, in each forked process, the module that it is to run."""
        while True:
            orders = self._socket.fileno()
            ready, _, _ = select.select([orders, *self._running], [], [])
            for ended in ready:
                if ended != orders:
                    self._report(ended)
            if orders in ready:
                program = self._serve()
                if program is not None:
                    return program

    def _serve(self) -> tuple[str, list[str]] | None:
        order, files, _, _ = socket.recv_fds(self._socket, MOST_BYTES, 2)
        if not order:
            # The programs outlive it, as they outlive the test process.
            os._exit(0)
        pid = os.fork()
        if not pid:
            return self._become(json.loads(order), files)
        for each in files:
            os.close(each)
        self._running[os.pidfd_open(pid)] = pid
        self._socket.send(json.dumps({"pid": pid}).encode())
        return None

    def _report(self, ended: int) -> None:
        pid = self._running.pop(ended)
        os.close(ended)
        _, status = os.waitpid(pid, 0)
        # The other side may be gone.
        with contextlib.suppress(OSError):
            self._socket.send(json.dumps({"ended": pid, "status": os.waitstatus_to_exitcode(status)}).encode())

    def _become(self, order: list[Any], files: list[int]) -> tuple[str, list[str]]:
        module, arguments, cwd, environment = order
        for other in self._running:
            os.close(other)
        self._socket.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Tests that run under `nohup` ignore it.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        for standard, file in enumerate(files, 1):
            os.dup2(file, standard)
            os.close(file)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(cwd)
        return module, arguments


def main() -> None:
    """Import, then fork until the other side ends, which an interrupt of the tests does by itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in IMPORTED:
        importlib.import_module(module)
    threads = len(os.listdir("/proc/self/task"))
    assert threads == 1, f"a fork would lose {threads - 1} threads"
    connected = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    # The pages of what was imported stay shared.
    gc.freeze()
    module, arguments = _Forks(connected).until_program()
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
