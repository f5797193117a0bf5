"""`python -m server` with a probe of the event loop: `python -m tests.support.probed_server`.

GET /_probe returns, since the last call, the longest time that the event loop was blocked, and the longest time that it
worked while a request of the canary was answered. Both are CPU time of the loop's thread: it shows what the server does
before it answers, however busy the machine is.
"""

import asyncio
import time
from unittest.mock import patch

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.app import create_app
from server.cli import app as command_line
from tests.support.attack_target import PROBE_PATH
from tests.support.canary import CANARY_HEADERS

TICK_SECONDS = 0.005


class Probe:
    """ASGI middleware around the whole application. It measures from the first message, which starts the lifespan."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._blocked = self._answering = 0.0
        self._ticked_at: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._ticked_at is None:
            self._tick()
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == PROBE_PATH:
            report = JSONResponse({"blocked": self._blocked, "answering": self._answering})
            self._blocked = self._answering = 0.0
            await report(scope, receive, send)
        elif Headers(scope=scope).get("x-request-id") == CANARY_HEADERS["x-request-id"]:
            await self._measured(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_at = time.thread_time()

        async def send_measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answering = max(self._answering, time.thread_time() - started_at)
            await send(message)

        await self._app(scope, receive, send_measured)

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
    with patch("server.serve.create_app", create_probed_app):
        command_line()
