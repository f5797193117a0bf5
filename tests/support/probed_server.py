"""`python -m server` with a probe of the event loop: `python -m tests.support.probed_server`.

GET /_probe returns the longest time that the event loop was blocked since the last call, in seconds. It is CPU time of
the loop's thread: it shows what the server does before it can answer others, however busy the machine is.
"""

import asyncio
import time
from unittest.mock import patch

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server.app import create_app
from server.cli import app as command_line
from tests.support.attack_target import PROBE_PATH

TICK_SECONDS = 0.005


class Probe:
    """ASGI middleware around the whole application. It measures from the first message, which starts the lifespan."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._blocked = 0.0
        self._ticked_at: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._ticked_at is None:
            self._tick()
        if scope["type"] == "http" and scope["path"] == PROBE_PATH:
            report, self._blocked = JSONResponse(self._blocked), 0.0
            await report(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _tick(self) -> None:
        """Measure what the loop did since the last tick; if nothing blocks it, that is at most TICK_SECONDS."""
        now = time.thread_time()
        if self._ticked_at is not None:
            self._blocked = max(self._blocked, now - self._ticked_at)
        self._ticked_at = now
        asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)


def create_probed_app(*arguments: object, **options: object) -> FastAPI:
    """Create the application of the server, with the probe around it."""
    app: FastAPI = create_app(*arguments, **options)  # pyright: ignore[reportArgumentType] # passed through
    app.add_middleware(Probe)
    return app


if __name__ == "__main__":
    with patch("server.processes.serve.create_app", create_probed_app):
        command_line()
