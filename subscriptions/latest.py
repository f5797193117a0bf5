"""Latest-value streams: the current value first, then the newest at most every interval, and never not the last."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from coordinator.live.hub import JobUpdate
from models.db.rows import JobRow
from models.domain.access import Viewer
from models.domain.paging import Window
from models.reads import listing, queries
from models.reads.listing import JobQuery
from models.writes.store import Store
from schema.context import Context
from subscriptions.retrying import retry_until_available

# A scene or a dashboard is drawn by a person's browser: more often than this is waste.
SCENE_INTERVAL_SECONDS = 0.1
JOBS_INTERVAL_SECONDS = 0.25
JOBS_A_PAGE = 100

V = TypeVar("V")


class Signal:
    """A watcher that remembers only that there was something."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()

    def on_update(self, news: JobUpdate) -> None:
        """There is something new."""
        self._heard.set()

    async def wait(self) -> None:
        """Wait for something new, and forget it."""
        await self._heard.wait()
        self._heard.clear()


async def latest(
    context: Context, job_id: str, read: Callable[[], Awaitable[V | None]], interval_seconds: float
) -> AsyncGenerator[V]:
    """What `read` answers, now and whenever it differs after news of the job; ends when it answers None."""
    signal = Signal()
    async with context.hub.join(job_id, signal, context.viewer):
        sent: V | None = None
        while True:
            value = await retry_until_available(read)
            if value is None:
                return
            if value != sent:
                yield value
                sent = value
            read_at = time.monotonic()
            await signal.wait()
            await asyncio.sleep(read_at + interval_seconds - time.monotonic())


async def jobs(context: Context, wanted: JobQuery) -> AsyncGenerator[JobRow]:
    """The jobs wanted, page by page, then each that changed; one that no longer fits is sent a last time."""
    # By job, the version that was sent.
    shown: dict[str, int] = {}
    with context.hub.dashboards.join(context.viewer) as dashboard:
        async with aclosing(_all(context.store, context.viewer, wanted)) as current:
            async for job in current:
                shown[job.id] = job.version
                yield job
        while True:
            changed = await dashboard.take()
            rows, fitting = await retry_until_available(lambda: _changed(context, wanted, list(changed)))  # noqa: B023 # awaited here
            for job in rows:
                new = changed[job.id] or shown.get(job.id) != job.version
                if job.id in fitting and new:
                    shown[job.id] = job.version
                    yield job
                elif job.id not in fitting and shown.pop(job.id, None) is not None:
                    yield job
            await asyncio.sleep(JOBS_INTERVAL_SECONDS)


async def _changed(context: Context, wanted: JobQuery, ids: list[str]) -> tuple[list[JobRow], set[str]]:
    """Those of these jobs that may be seen, the one changed longest ago first, and which of them fit."""
    async with context.store.read() as connection:
        rows = await queries.jobs_by_id(connection, context.viewer, ids)
        fitting = await listing.matching(connection, context.viewer, wanted, ids)
    return sorted(rows.values(), key=lambda job: job.updated_at), {job.id for job in fitting}


async def _all(store: Store, viewer: Viewer, wanted: JobQuery) -> AsyncGenerator[JobRow]:
    window = Window(JOBS_A_PAGE)
    while True:
        async with store.read() as connection:
            page = await listing.jobs_page(connection, viewer, wanted, window)
        for job in page.items:
            yield job
        if not page.has_next:
            return
        window = Window(JOBS_A_PAGE, after=wanted.key(page.items[-1]))
