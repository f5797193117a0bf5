"""`serve` and `worker`: one process that answers, renders and streams, or only renders; and how it stops."""

import asyncio
import logging
import os
import resource
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from models.domain.errors import Unavailable
from server.app import create_app
from server.container import check_migrated, check_opens
from server.logs import log_to_stderr
from server.settings import LOOPBACK, Profile, Settings, WrongSettings
from server.transports import uvicorn_options

log = logging.getLogger("scenewire")

# Requests that are under way get this long, then the connection is cut; the whole stop takes less than 12 s.
FINISH_SECONDS = 5
NOT_STARTED_STATUS = 1
BACKLOG = 2048
OPEN_FILES = 65_536


class Server(uvicorn.Server):
    """uvicorn, which at a signal also ends the streams, and whose exit status is 0 when that went well."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, greeting: str, supervisor: int | None) -> None:
        super().__init__(config)
        self._app = app
        self._greeting = greeting
        self._supervisor = supervisor

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where to go as soon as somebody answers there."""
        await super().startup(sockets)
        if self.started:
            log.info("%s", self._greeting)

    async def on_tick(self, counter: int) -> bool:
        """As uvicorn does ten times a second; and nobody goes on whose supervisor is gone."""
        orphaned = self._supervisor is not None and os.getppid() != self._supervisor
        return await super().on_tick(counter) or orphaned

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """As uvicorn does, but without dying of the signal afterwards: a stop that was asked for is no failure."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, say goodbye to sockets and streams, let requests finish."""
        for server in self.servers:
            server.close()
        await self._app.state.container.connections.close_all()
        await super().shutdown(sockets)


def serve(
    settings: Settings,
    *,
    renders: bool = True,
    listener: socket.socket | None = None,
    supervisor: int | None = None,
) -> int:
    """Answer until a signal, and render too unless others do; answers the exit status.

    `listener` is a socket that several processes share, `supervisor` the process that started them. Raises
    WrongSettings for what cannot be started with.
    """
    return _run(settings, listener or listen(settings), renders=renders, answers=True, supervisor=supervisor)


def work(settings: Settings) -> int:
    """Render until a signal; only the two health addresses answer. Raises WrongSettings as `serve` does."""
    if settings.database_url.startswith("sqlite"):
        raise WrongSettings("SCENEWIRE_DATABASE_URL: workers need Postgres; with SQLite, serve renders by itself")
    return _run(settings, _listen_anywhere(settings), renders=True, answers=False)


def listen(settings: Settings) -> socket.socket:
    """A socket bound where the settings say, which become true of a port that was left open (0)."""
    if settings.profile is Profile.DEVELOPMENT and settings.host not in LOOPBACK:
        raise WrongSettings(
            f"SCENEWIRE_HOST: {settings.host} can be reached by others, and without SCENEWIRE_PROFILE=production "
            "nobody is asked who they are"
        )
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        # Two that are started at the same moment can both bind; only one can listen.
        listener.listen(BACKLOG)
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        raise WrongSettings(f"SCENEWIRE_PORT: cannot listen on {place}: {error.strerror}") from error
    settings.port = listener.getsockname()[1]
    return listener


def _listen_anywhere(settings: Settings) -> socket.socket:
    """Beside a server or another worker on one machine the usual port is taken; a port that was asked for is meant."""
    try:
        return listen(settings)
    except WrongSettings:
        if "port" in settings.model_fields_set:
            raise
        settings.port = 0
        return listen(settings)


def _run(
    settings: Settings, listener: socket.socket, *, renders: bool, answers: bool, supervisor: int | None = None
) -> int:
    log_to_stderr(settings)
    if not ready(settings):
        return NOT_STARTED_STATUS
    _allow_many_files()
    app = create_app(settings, renders=renders, answers=answers)
    config = uvicorn.Config(
        app,
        log_config=None,
        # `request_ids` has a line of its own.
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=FINISH_SECONDS,
        **uvicorn_options(settings.transport_limits),
    )
    server = Server(config, app, _greeting(settings, answers=answers), supervisor)
    server.run([listener])
    return 0 if server.started else NOT_STARTED_STATUS


def _allow_many_files() -> None:
    """Each connection is an open file, and many systems grant a process a thousand of them unless it asks."""
    granted, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    if granted != resource.RLIM_INFINITY and granted < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def ready(settings: Settings) -> bool:
    """Whether there is a database to start with; if not, that was said.

    Raises WrongSettings for one that is not migrated, or that is a file which cannot be opened.
    """
    if settings.database_url.startswith("sqlite"):
        check_opens(settings)
        return True
    try:
        asyncio.run(check_migrated(settings))
    except Unavailable as unavailable:
        log.error("SCENEWIRE_DATABASE_URL: %s", unavailable.message)
        return False
    return True


def _greeting(settings: Settings, *, answers: bool) -> str:
    where = f"data in {data_place(settings)}"
    if answers:
        explored = " (explorer)" if settings.allows_explorer else ""
        return f"Scenewire listens on {settings.address}/graphql{explored}; {where}"
    return f"Scenewire renders; its health is at {settings.address}/readyz; {where}"


def data_place(settings: Settings) -> str:
    """Where data lies, without a password."""
    database = settings.database_url.partition("///")[2] or settings.database_url.rpartition("@")[2]
    return f"{database} and {settings.media_url}"
