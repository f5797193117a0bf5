"""The command `serve --processes N`: several server processes on one listening socket, and their supervisor."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from server.configuration.unread_variables import warn_of_unread_variables
from server.graphql.trusted_documents import load_trusted_documents
from server.logs import log_to_stderr
from server.processes.serve import NOT_STARTED_STATUS, data_location, listen, public_location, ready, with_port_of
from server.processes.stopping import stop_signals
from server.settings import PREFIX, Settings, WrongSettings
from server.telemetry.endpoint import listen_for_scrapes
from server.telemetry.paths import METRICS_PATH

log = logging.getLogger("scenewire")

# A child forces its own end 0.5 s earlier.
STOP_SECONDS = 11.7
RESTART_SECONDS = 1.0
TICK_SECONDS = 0.1
HIGHEST_PORT = 65_535


def serve_many(settings: Settings, count: int, *, renders: bool) -> int:
    """Run `count` processes until a signal and replace those that die; return the exit status. Raises WrongSettings."""
    if settings.database_url.startswith("sqlite"):
        raise WrongSettings(
            "--processes needs Postgres: with SQLite, a process does not receive the changes of another one"
        )
    if settings.shows_metrics_beside_the_api:
        raise WrongSettings(
            f"{PREFIX}METRICS_PORT: must be set with --processes, because {METRICS_PATH} at the port of the API shows "
            "one process of several; each process listens at a port of its own, counted from this one"
        )
    _check_metrics_ports(settings, count)
    log_to_stderr(settings)
    warn_of_unread_variables()
    if not ready(settings):
        return NOT_STARTED_STATUS
    load_trusted_documents(settings)  # each process would refuse a wrong manifest, and be replaced without end
    listener = listen(settings)
    return _Supervisor(with_port_of(listener, settings), listener, count, renders=renders).run()


def _check_metrics_ports(settings: Settings, count: int) -> None:
    """Raise WrongSettings when a process could not listen at its port: it would be replaced without end."""
    ports = range(settings.metrics_port, settings.metrics_port + count) if settings.metrics_port else range(0)
    if ports and ports[-1] > HIGHEST_PORT:
        raise WrongSettings(f"{PREFIX}METRICS_PORT: is too high for one port for each of {count} processes")
    if settings.port in ports:
        raise WrongSettings(
            f"{PREFIX}METRICS_PORT: the ports from this one on include {settings.port}, that of the API"
        )
    for port in ports:
        listen_for_scrapes(settings.metrics_host, port).close()


class _Supervisor:
    """Starts the processes, replaces those that die, and stops them all at a signal."""

    def __init__(self, settings: Settings, listener: socket.socket, count: int, *, renders: bool) -> None:
        self._settings = settings
        self._listener = listener
        self._renders = renders
        self._stopping = False
        self._children = [self._start(index) for index in range(count)]

    def run(self) -> int:
        """Run until a signal, then until every child has stopped; return the exit status."""
        for number in stop_signals():
            signal.signal(number, self._stop)
        settings, count = self._settings, len(self._children)
        address = f"{settings.listening_address}/graphql{public_location(settings)}"
        message = "Scenewire runs %d processes at %s; data in %s"
        log.info(message, count, address, data_location(settings), extra={"action": "supervisor.started"})
        while not self._stopping:
            time.sleep(TICK_SECONDS)
            self._replace_dead_children()
        return self._wait()

    def _start(self, index: int) -> "subprocess.Popen[bytes]":
        fd = self._listener.fileno()
        options = ["--fd", str(fd), "--supervisor", str(os.getpid())]
        command = [sys.executable, "-m", "server", "serve", *options]
        if not self._renders:
            command.append("--no-render")
        address = {f"{PREFIX}HOST": self._settings.host, f"{PREFIX}PORT": str(self._settings.port)}
        if self._settings.metrics_port:
            address[f"{PREFIX}METRICS_PORT"] = str(self._settings.metrics_port + index)
        environment = os.environ | address
        return subprocess.Popen(command, pass_fds=[fd], env=environment, cwd=Path(__file__).parents[2])  # noqa: S603 # our own program

    def _replace_dead_children(self) -> None:
        dead = [index for index, child in enumerate(self._children) if child.poll() is not None]
        for index in dead:
            child = self._children[index]
            child_ids = {"action": "supervisor.child_died", "child": child.pid, "status": child.returncode}
            log.error("A process died and is replaced", extra=child_ids)
        restart_at = time.monotonic() + RESTART_SECONDS
        while dead and not self._stopping and time.monotonic() < restart_at:
            time.sleep(TICK_SECONDS)
        for index in dead:
            if not self._stopping:
                self._children[index] = self._start(index)

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
        # A child that receives SIGTERM before it has installed its handler dies of the signal.
        return 0 if all(status in (0, -signal.SIGTERM) for status in statuses) else 1
