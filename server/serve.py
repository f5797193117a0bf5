"""`serve`: one process that answers, renders and streams, and how it stops."""

import logging
import signal
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from server.app import create_app
from server.settings import Profile, Settings, WrongSettings
from server.transports import hide_query_strings, uvicorn_options

log = logging.getLogger("scenewire")

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# Requests that are under way get this long, then the connection is cut; the whole stop takes less than 12 s.
FINISH_SECONDS = 5


class Server(uvicorn.Server):
    """uvicorn, which at a signal also ends the streams, and whose exit status is 0 when that went well."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, greeting: str) -> None:
        super().__init__(config)
        self._app = app
        self._greeting = greeting

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where to go as soon as somebody answers there."""
        await super().startup(sockets)
        if self.started:
            log.info("%s", self._greeting)

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
        await self._app.state.parts.connections.close_all()
        await super().shutdown(sockets)


def serve(settings: Settings) -> int:
    """Run until a signal; answers the exit status. Raises WrongSettings for an address that must not be bound."""
    if settings.profile is Profile.DEVELOPMENT and settings.host not in LOOPBACK:
        raise WrongSettings(
            f"SCENEWIRE_HOST: {settings.host} can be reached by others, and without SCENEWIRE_PROFILE=production "
            "nobody is asked who they are"
        )
    _log_to_stderr(settings)
    listener = _listen(settings)
    settings.port = listener.getsockname()[1]
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=FINISH_SECONDS,
        **uvicorn_options(),
    )
    greeting = f"Scenewire listens on {settings.address}/graphql (explorer); data in {_where(settings)}"
    if settings.host not in LOOPBACK:
        log.warning("nobody is asked who they are: keep port %s behind something that does", settings.port)
    server = Server(config, app, greeting)
    server.run([listener])
    return 0 if server.started else 1


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        raise WrongSettings(f"SCENEWIRE_PORT: cannot listen on {place}: {error.strerror}") from error
    return listener


def _where(settings: Settings) -> str:
    database = settings.database_url.partition("///")[2] or settings.database_url.rpartition("@")[2]
    return f"{database} and {settings.media_url}"


def _log_to_stderr(settings: Settings) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    # Of these only what needs an operator; the state of a render is told by our own records.
    for noisy in ("pgqueuer", "alembic", "httpx", "uvicorn.error", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    hide_query_strings()
