"""The commands `serve` and `worker`: run one process that serves the API and renders, or only one of the two."""

import asyncio
import logging
import os
import resource
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI

from coordinator.retrying import until_set
from models.domain.errors import Unavailable
from models.lazy_import import lazily
from server.app import create_app
from server.configuration.setting_types import LOOPBACK
from server.configuration.unread_variables import warn_of_unread_variables
from server.container import Container
from server.database.database_refusals import explained
from server.database.database_setup import check_migrated, check_opens, location
from server.database.file_lock import only_server
from server.logs import log_to_stderr
from server.media.media_setup import check_media
from server.processes.listening import listening
from server.processes.stopping import ForcedEnd, end_what_is_left, stop_signals
from server.settings import Settings, WrongSettings
from server.transports.protocols.uvicorn_protocols import uvicorn_options

if TYPE_CHECKING:
    from server.telemetry import measurement
    from server.telemetry.measurement import Measurement
else:
    # Imports the library of metrics, which most processes do not expose.
    measurement = lazily("server.telemetry.measurement")

log = logging.getLogger("scenewire")

# The grace period for running requests in a graceful shutdown.
GRACE_SECONDS = 5
# The limit of a shutdown, which is forced then.
STOP_SECONDS = 11.0
NOT_STARTED_STATUS = 1
BACKLOG = 2048
# Of uvicorn, by which it counts.
TICKS_A_SECOND = 10
OPEN_FILES = 65_536


class Server(uvicorn.Server):
    """uvicorn that also closes streams at a shutdown, and exits with status 0 after a graceful one."""

    def __init__(
        self,
        config: uvicorn.Config,
        app: FastAPI,
        greeting: str,
        supervisor: int | None,
        measurement: "Measurement | None" = None,
    ) -> None:
        super().__init__(config)
        self._measurement = measurement
        self._app = app
        self._greeting = greeting
        self._supervisor = supervisor
        self._forced_end = ForcedEnd(STOP_SECONDS)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the background work, listen, and log the address. Raises Unavailable."""
        container: Container = self._app.state.container
        try:
            await container.start()
        except Unavailable:
            await container.stop()
            raise
        if self._measurement is not None:
            await self._measurement.start()
        await super().startup(sockets)
        if self.started:
            log.info("%s", self._greeting, extra={"action": "server.started"})

    async def main_loop(self) -> None:
        """Call `on_tick` once a second, and at once when the process is to stop.

        uvicorn's own loop calls it ten times a second, which was a third of what an idle server did.
        """
        self._loop = asyncio.get_running_loop()
        counter = 0
        while not await self.on_tick(counter):
            counter += TICKS_A_SECOND
            await until_set(self._stopping, 1.0)

    async def on_tick(self, counter: int) -> bool:
        """Return True to stop, also when the supervisor has died. uvicorn renews the date header at each tenth tick."""
        orphaned = self._supervisor is not None and os.getppid() != self._supervisor
        return await super().on_tick(counter) or orphaned

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handle signals as uvicorn does, but do not raise them again afterwards: a requested stop is no failure."""
        previous = {number: signal.signal(number, self.handle_exit) for number in stop_signals()}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, close sockets and streams, and let requests finish."""
        for server in self.servers:
            server.close()
        container: Container = self._app.state.container
        # Other workers continue the renders while the last requests are answered.
        container.coordinator.hand_over()
        await container.connections.close_all()
        await super().shutdown(sockets)
        if self._measurement is not None:
            await self._measurement.stop()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal, then stop; what does not stop ends with the process."""
        await super().serve(sockets)
        await end_what_is_left()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, and force the end of a stop that takes too long."""
        self._forced_end.begin()
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)


def serve(
    settings: Settings,
    *,
    renders: bool = True,
    listener: socket.socket | None = None,
    supervisor: int | None = None,
) -> int:
    """Serve the API until a signal, and render unless workers do; return the exit status.

    `listener` is a listening socket that several processes share, `supervisor` the id of the process that started
    them. Raises WrongSettings for settings that the server cannot start with.
    """
    return _run(settings, listener or listen(settings), renders=renders, answers=True, supervisor=supervisor)


def work(settings: Settings) -> int:
    """Render until a signal; serve only the health routes. Raises WrongSettings as `serve` does."""
    if settings.database_url.startswith("sqlite"):
        raise WrongSettings("SCENEWIRE_DATABASE_URL: workers need Postgres; with SQLite, `serve` renders")
    return _run(settings, _listen_anywhere(settings), renders=True, answers=False)


def listen(settings: Settings) -> socket.socket:
    """Return a socket that listens at the configured host and port; port 0 is any free port. Raises WrongSettings."""
    if not settings.production and settings.host not in LOOPBACK:
        raise WrongSettings(
            f"SCENEWIRE_HOST: {settings.host} can be reached by others, and only SCENEWIRE_PROFILE=production "
            "requires tokens"
        )
    return listening(settings.host, settings.port, BACKLOG, "PORT")


def with_port_of(listener: socket.socket, settings: Settings) -> Settings:
    """Return the settings with the port on which the socket listens, which differs from a configured 0."""
    return settings.model_copy(update={"port": listener.getsockname()[1]})


def _listen_anywhere(settings: Settings) -> socket.socket:
    """Listen at any free port if the default one is in use, as beside a server; a configured port is never replaced."""
    try:
        return listen(settings)
    except WrongSettings:
        if "port" in settings.model_fields_set:
            raise
        return listen(settings.model_copy(update={"port": 0}))


def _run(
    settings: Settings, listener: socket.socket, *, renders: bool, answers: bool, supervisor: int | None = None
) -> int:
    log_to_stderr(settings)
    if supervisor is None:
        warn_of_unread_variables()
    with only_server(settings):
        if not ready(settings):
            return NOT_STARTED_STATUS
        return _serve(settings, listener, renders=renders, answers=answers, supervisor=supervisor)


def _serve(settings: Settings, listener: socket.socket, *, renders: bool, answers: bool, supervisor: int | None) -> int:
    settings = with_port_of(listener, settings)
    _allow_many_files()
    app = create_app(settings, renders=renders, answers=answers)
    config = uvicorn.Config(
        app,
        log_config=None,
        # `request_ids` logs requests.
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **uvicorn_options(settings.transport_limits),
    )
    container: Container = app.state.container
    metrics = container.metrics
    measured = None if metrics is None else measurement.Measurement(metrics, settings)
    server = Server(config, app, _greeting(settings, answers=answers), supervisor, measured)
    try:
        server.run([listener])
    except Unavailable as error:
        if settings.database_url.startswith("sqlite"):
            cause = getattr(error.__cause__, "orig", error.__cause__)
            raise WrongSettings(f"SCENEWIRE_DATABASE_URL: {error.message} Cause: {cause}") from error
        _log_unavailable(error)
    return 0 if server.started else NOT_STARTED_STATUS


def _log_unavailable(error: Unavailable) -> None:
    log.error("SCENEWIRE_DATABASE_URL: %s", explained(error), extra={"action": "server.not_started"})


def _allow_many_files() -> None:
    """Raise the limit of open files, which many systems set to about 1000: each connection is an open file."""
    current, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = OPEN_FILES if maximum == resource.RLIM_INFINITY else min(OPEN_FILES, maximum)
    if current != resource.RLIM_INFINITY and current < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, maximum))


def ready(settings: Settings) -> bool:
    """Check that the database answers; log an error and return False if it does not.

    Raises WrongSettings for a database that is not migrated, for an SQLite file that cannot be opened, and for a media
    store that refuses access.
    """
    if settings.database_url.startswith("sqlite"):
        check_opens(settings)
    else:
        try:
            asyncio.run(check_migrated(settings))
        except Unavailable as error:
            _log_unavailable(error)
            return False
    check_media(settings)
    return True


def _greeting(settings: Settings, *, answers: bool) -> str:
    data = f"data in {data_location(settings)}"
    if answers:
        explorer = " (explorer)" if settings.allows_explorer else ""
        storyboard = f"; the storyboard is at {settings.address}/" if settings.storyboard else ""
        address = f"{settings.listening_address}/graphql{explorer}{public_location(settings)}"
        return f"Scenewire listens on {address}{storyboard}; {data}"
    return f"Scenewire renders; its health is at {settings.listening_address}/readyz; {data}"


def public_location(settings: Settings) -> str:
    """Return the address of the API for clients, where it differs from that on which the server listens."""
    return f", public address {settings.address}/graphql" if settings.public_url else ""


def data_location(settings: Settings) -> str:
    """Return the locations of the database and of the media, without credentials."""
    return f"{location(settings.database_url)} and {settings.media_url}"
