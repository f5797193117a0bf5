"""Latest-value streams: the current value, then the newest at most once per interval; never skips the last one."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Container, Mapping, Sequence
from contextlib import aclosing
from typing import TypeVar

from coordinator.live.dashboards import Changed
from coordinator.live.reader import JobUpdate
from models.db.rows import JobRow
from models.domain.paging import Page, Window
from models.reads import listing, queries
from models.reads.listing import JobQuery
from schema.context import Context
from subscriptions.reads import read_when_available

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
            async with context.making_message():
                value = await read_when_available(context, read)
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
        async with aclosing(all_jobs(context, query)) as current:
            async for job in current:
                shown[job.id] = job.version
                yield job
        while True:
            async with aclosing(_changed_jobs(context, query, await dashboard.take(), shown)) as changed_jobs:
                async for job in changed_jobs:
                    yield job
            await asyncio.sleep(JOBS_INTERVAL_SECONDS)


async def _changed_jobs(
    context: Context, query: JobQuery, changed: Changed, shown: dict[str, int]
) -> AsyncGenerator[JobRow]:
    """Yield the changed jobs that match and are not shown as they are, and those that are shown but no longer match."""
    unsent = dict(changed)
    while unsent:
        async with context.making_message():
            rows, matching = await read_when_available(context, lambda: changed_rows(context, query, list(unsent)))
            new = [job for job in rows if has_to_be_sent(job, unsent, matching, shown)]
            for job in context.snapshot.series(new):
                unsent.pop(job.id)
                note_sent(job, matching, shown)
                yield job
            if all(job.id not in unsent for job in new):
                return


def has_to_be_sent(job: JobRow, changed: Changed, matching: Container[str], shown: Mapping[str, int]) -> bool:
    """Whether a changed job matches and is not shown as it is, or is shown but no longer matches."""
    return (changed[job.id] or shown.get(job.id) != job.version) if job.id in matching else job.id in shown


def note_sent(job: JobRow, matching: Container[str], shown: dict[str, int]) -> bool:
    """Note that a job is sent; return whether it matches."""
    if job.id in matching:
        shown[job.id] = job.version
        return True
    shown.pop(job.id, None)
    return False


async def changed_rows(context: Context, query: JobQuery, ids: Sequence[str]) -> tuple[list[JobRow], set[str]]:
    """Return the visible jobs among `ids`, the least recently changed first, and the ids of those that match."""
    async with context.snapshot.read() as connection:
        rows = await queries.jobs_by_id(connection, context.viewer, ids)
        matching = await listing.matching(connection, context.viewer, query, ids)
    return sorted(rows.values(), key=lambda job: job.updated_at), {job.id for job in matching}


async def all_jobs(context: Context, query: JobQuery) -> AsyncGenerator[JobRow]:
    """Yield every job that matches; each is read in the snapshot in which its message is made."""
    last: JobRow | None = None
    while True:
        window = Window(JOBS_A_PAGE, after=None if last is None else query.key(last))
        async with context.making_message():
            page = await read_when_available(context, lambda: _page(context, query, window))  # noqa: B023 # awaited here
            for job in context.snapshot.series(page.items):
                last = job
                yield job
            if not page.has_next and (last is None or not page.items or last is page.items[-1]):
                return


async def _page(context: Context, query: JobQuery, window: Window) -> Page[JobRow]:
    async with context.snapshot.read() as connection:
        return await listing.jobs_page(connection, context.viewer, query, window)
