"""Health routes: liveness and readiness."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.responses import JSONResponse

from coordinator.storage.media import MediaStore
from coordinator.storage.media_errors import reason_of
from models.domain.errors import Unavailable
from server.container import Container
from server.telemetry.paths import LIVENESS_PATH, READINESS_PATH

log = logging.getLogger(__name__)

# The minimum interval, in seconds, between two requests to the media store, however many probes there are.
MEDIA_SECONDS = 1.0


def add_health(app: FastAPI, container: Container) -> None:
    """Add the health routes, for GET and HEAD."""
    media = _Media(container.media)

    async def healthz() -> JSONResponse:
        """Liveness: the process answers."""
        return JSONResponse({"status": "ok"})

    async def readyz() -> JSONResponse:
        """Readiness: the database and the media store answer and, if this process renders, the queue runs."""
        database, stored = await asyncio.gather(_answers(container.database.ping), media.answers())
        queue = container.coordinator.running or not container.renders
        ready = database and queue and stored
        return JSONResponse(
            {"status": "ok" if ready else "unavailable", "database": database, "queue": queue, "media": stored},
            200 if ready else 503,
        )

    for path, endpoint in ((LIVENESS_PATH, healthz), (READINESS_PATH, readyz)):
        app.add_api_route(path, endpoint, methods=["GET", "HEAD"], include_in_schema=False)


class _Media:
    """Remembers for MEDIA_SECONDS whether the media store answers."""

    def __init__(self, store: MediaStore) -> None:
        self._store = store
        self._asking = asyncio.Lock()
        self._asked_at = -MEDIA_SECONDS
        self._answers = True

    async def answers(self) -> bool:
        """Return whether the media store answers; concurrent calls wait for one probe."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= MEDIA_SECONDS:
                self._answers = await _answers(self._store.ping)
                self._asked_at = time.monotonic()
            return self._answers


async def _answers(ping: Callable[[], Awaitable[None]]) -> bool:
    try:
        await ping()
    except Unavailable as error:
        reason = reason_of(error.__cause__ or error)
        log.warning("Not ready: %s (%s)", error, reason, extra={"action": "health.unavailable"})
        return False
    return True
