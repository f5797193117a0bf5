"""Latest-value streams: the current value, then the newest at most once per interval; never skips the last one."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from coordinator.live.hub import JobUpdate
from coordinator.retrying import retry_until_available
from models.db.rows import JobRow
from models.domain.access import Viewer
from models.domain.paging import Window
from models.reads import listing, queries
from models.reads.listing import JobQuery
from models.writes.store import Store
from schema.context import Context

# Minimum intervals between two values; a browser need not draw more often.
SCENE_INTERVAL_SECONDS = 0.1
JOBS_INTERVAL_SECONDS = 0.25
JOBS_A_PAGE = 100

V = TypeVar("V")


class Signal:
    """A watcher that only remembers that there was an update."""

    def __init__(self) -> None:
        self._updated = asyncio.Event()

    def on_update(self, update: JobUpdate) -> None:
        """Wake the waiting stream."""
        self._updated.set()

    async def wait(self) -> None:
        """Wait for an update, and clear the signal."""
        await self._updated.wait()
        self._updated.clear()


async def latest(
    context: Context, job_id: str, read: Callable[[], Awaitable[V | None]], interval_seconds: float
) -> AsyncGenerator[V]:
    """Yield the result of `read`, now and whenever an update of the job changes it; end when it is None."""
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


async def jobs(context: Context, query: JobQuery) -> AsyncGenerator[JobRow]:
    """Yield the jobs that match, page by page, then each that changes; one that no longer matches is sent once more."""
    # The sent version of each job.
    shown: dict[str, int] = {}
    with context.hub.dashboards.join(context.viewer) as dashboard:
        async with aclosing(_all(context.store, context.viewer, query)) as current:
            async for job in current:
                shown[job.id] = job.version
                yield job
        while True:
            changed = await dashboard.take()
            rows, matching = await retry_until_available(lambda: _changed(context, query, list(changed)))  # noqa: B023 # awaited here
            for job in rows:
                new = changed[job.id] or shown.get(job.id) != job.version
                if job.id in matching and new:
                    shown[job.id] = job.version
                    yield job
                elif job.id not in matching and shown.pop(job.id, None) is not None:
                    yield job
            await asyncio.sleep(JOBS_INTERVAL_SECONDS)


async def _changed(context: Context, query: JobQuery, ids: list[str]) -> tuple[list[JobRow], set[str]]:
    """Return the visible jobs among `ids`, the least recently changed first, and the ids of those that match."""
    async with context.store.read() as connection:
        rows = await queries.jobs_by_id(connection, context.viewer, ids)
        matching = await listing.matching(connection, context.viewer, query, ids)
    return sorted(rows.values(), key=lambda job: job.updated_at), {job.id for job in matching}


async def _all(store: Store, viewer: Viewer, query: JobQuery) -> AsyncGenerator[JobRow]:
    window = Window(JOBS_A_PAGE)
    while True:
        async with store.read() as connection:
            page = await listing.jobs_page(connection, viewer, query, window)
        for job in page.items:
            yield job
        if not page.has_next:
            return
        window = Window(JOBS_A_PAGE, after=query.key(page.items[-1]))
