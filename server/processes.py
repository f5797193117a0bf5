"""`serve --processes N`: several processes that answer at one address, and somebody who looks after them."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from server.logs import log_to_stderr
from server.serve import NOT_STARTED_STATUS, data_place, listen, ready
from server.settings import PREFIX, Settings, WrongSettings

log = logging.getLogger("scenewire")

STOP_SECONDS = 12.0
RESTART_SECONDS = 1.0


def serve_many(settings: Settings, count: int, *, renders: bool) -> int:
    """Run `count` processes on one socket until a signal; one that dies is replaced. Answers the exit status."""
    if settings.database_url.startswith("sqlite"):
        raise WrongSettings(
            "--processes needs Postgres: with SQLite, one process's live streams would not hear of another's changes"
        )
    log_to_stderr(settings)
    if not ready(settings):
        return NOT_STARTED_STATUS
    listener = listen(settings)
    return _Supervisor(settings, listener, count, renders=renders).run()


class _Supervisor:
    def __init__(self, settings: Settings, listener: socket.socket, count: int, *, renders: bool) -> None:
        self._settings = settings
        self._listener = listener
        self._renders = renders
        self._stopping = False
        self._children = [self._start() for _ in range(count)]

    def run(self) -> int:
        """Until a signal, and until every child has stopped."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        count, address, place = len(self._children), self._settings.address, data_place(self._settings)
        log.info("Scenewire runs %d processes at %s/graphql; data in %s", count, address, place)
        while not self._stopping:
            time.sleep(0.1)
            self._replace_the_dead()
        return self._wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        fd = self._listener.fileno()
        ours = ["--fd", str(fd), "--supervisor", str(os.getpid())]
        command = [sys.executable, "-m", "server", "serve", *ours]
        if not self._renders:
            command.append("--no-render")
        environment = os.environ | {f"{PREFIX}PORT": str(self._settings.port)}
        return subprocess.Popen(command, pass_fds=[fd], env=environment, cwd=Path(__file__).parent.parent)  # noqa: S603 # our own program

    def _replace_the_dead(self) -> None:
        dead = [index for index, child in enumerate(self._children) if child.poll() is not None]
        for index in dead:
            child = self._children[index]
            log.error("process %d died with status %d and is replaced", child.pid, child.returncode)
        if dead:
            time.sleep(RESTART_SECONDS)
        for index in dead:
            if not self._stopping:
                self._children[index] = self._start()

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _wait(self) -> int:
        for child in self._children:
            child.terminate()
        give_up_at = time.monotonic() + STOP_SECONDS
        statuses: list[int] = []
        for child in self._children:
            try:
                statuses.append(child.wait(max(0.1, give_up_at - time.monotonic())))
            except subprocess.TimeoutExpired:
                child.kill()
                statuses.append(child.wait())
        # One that was told to stop before it knew how simply died of it.
        return 0 if all(status in (0, -signal.SIGTERM) for status in statuses) else 1
