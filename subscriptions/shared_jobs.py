"""jobsUpdated for all subscribers that select the same fields with the same filter and rights."""

import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import cast

from coordinator.live.dashboards import Changed, Dashboard
from coordinator.retrying import until_set
from models.db.rows import JobRow
from models.reads.listing import JobQuery
from schema.context import Context
from schema.types import as_job
from subscriptions import latest
from subscriptions.reads import read_when_available
from subscriptions.shared import SharedValue, WithoutPositions

JOBS_A_READ = 100


class SharedJobs(WithoutPositions):
    """The jobs that match a filter, then each that changes; one that no longer matches is sent once more.

    All members have been sent the same jobs. When the list is read for those that join, the others get what it shows
    and they were not sent, before the ones that join get the list.
    """

    def __init__(self, context: Context, query: JobQuery) -> None:
        self._context = context
        self._query = query
        self._dashboard: Dashboard | None = None
        # The version of each job that the members have.
        self._shown: dict[str, int] = {}
        self._has_members = False
        # The changed jobs of which no value was made yet, and the rows of some of them, of the current snapshot.
        self._unsent: Changed = {}
        self._rows: list[JobRow] = []
        self._matching: set[str] = set()
        self._made_at = 0.0
        self._interrupted = False

    @asynccontextmanager
    async def joined(self) -> AsyncGenerator[int]:
        """The block in which no change is missed."""
        with self._context.hub.dashboards.join(self._context.viewer) as self._dashboard:
            yield 0

    @property
    def pending(self) -> bool:
        """Whether a job may have changed, and the interval has passed."""
        return bool(self._unsent) or (self._joined.has_changed and self._left() <= 0)

    async def wait(self) -> None:
        """Wait until a value is pending, or for `interrupt`."""
        dashboard = self._joined
        while not self._interrupted and not self.pending:
            dashboard.woken.clear()
            await until_set(dashboard.woken, max(0.0, self._left()) if dashboard.has_changed else None)
        self._interrupted = False

    def interrupt(self) -> None:
        """End the current or the next `wait`."""
        self._interrupted = True
        if self._dashboard is not None:
            self._dashboard.woken.set()

    async def finished(self) -> bool:
        """Return False: new jobs may always appear."""
        return False

    def making_message(self) -> AbstractAsyncContextManager[None]:
        """Return the block in which values are made and executed, all from one snapshot."""
        self._rows = []
        return self._context.making_message()

    async def take(self) -> SharedValue | None:
        """Return the newest value of a changed job; None when there is none that has to be sent."""
        if not self._unsent:
            self._unsent = self._joined.take_now()
        job = await self._next()
        if job is None:
            return None
        latest.note_sent(job, self._matching, self._shown)
        return SharedValue(as_job(job), key=job.id, received=job.id, more_follow=bool(self._rows))

    async def states(self, *, lagged: bool) -> AsyncGenerator[SharedValue]:
        """Yield the jobs that match, for members that join, then what the others were not sent of them."""
        listed: dict[str, int] = {}
        noted: set[str] = set()
        async with aclosing(latest.all_jobs(self._context, self._query)) as jobs:
            async for job in jobs:
                listed[job.id] = job.version
                yield SharedValue(as_job(job))
        if self._has_members:
            self._unsent |= {job_id: False for job_id in self._differing(listed) if job_id not in self._unsent}
            async with aclosing(self._updates(listed, noted)) as updates:
                async for value in updates:
                    yield value
        self._shown = {job_id: self._shown[job_id] for job_id in noted if job_id in self._shown} | listed
        self._has_members = True

    async def make(self, received: object) -> SharedValue | None:
        """Return the newest value of a job, for members that are behind; None when it is gone."""
        job_id = cast("str", received)
        rows, _ = await read_when_available(
            self._context, lambda: latest.changed_rows(self._context, self._query, [job_id])
        )
        return SharedValue(as_job(rows[0]), key=job_id, received=job_id) if rows else None

    @property
    def _joined(self) -> Dashboard:
        if self._dashboard is None:
            raise RuntimeError("read outside of `joined`")
        return self._dashboard

    def _left(self) -> float:
        """Return the seconds until the interval has passed."""
        return self._made_at + latest.JOBS_INTERVAL_SECONDS - time.monotonic()

    async def _updates(self, listed: dict[str, int], noted: set[str]) -> AsyncGenerator[SharedValue]:
        """Yield what members were not sent yet, and add the jobs to `noted`. What is newer than the list is sent once
        more, to all."""
        newer: Changed = {}
        while self._unsent:
            async with self.making_message():
                while (job := await self._next()) is not None:
                    is_shown = latest.note_sent(job, self._matching, self._shown)
                    noted.add(job.id)
                    if listed.get(job.id) != (job.version if is_shown else None):
                        newer[job.id] = True
                    yield SharedValue(as_job(job), key=job.id, received=job.id, is_update=True)
        self._unsent = newer

    def _differing(self, listed: dict[str, int]) -> Iterable[str]:
        """Return the jobs of which members have another version, those that they do not have, and those that left."""
        changed = [job_id for job_id, version in listed.items() if self._shown.get(job_id) != version]
        return [*changed, *(job_id for job_id in self._shown if job_id not in listed)]

    async def _next(self) -> JobRow | None:
        """Return the next changed job that has to be sent, as it is in the current snapshot; None when there is none
        among the jobs that were read last."""
        if not self._rows and self._unsent:
            ids = list(self._unsent)[:JOBS_A_READ]
            rows, self._matching = await read_when_available(
                self._context, lambda: latest.changed_rows(self._context, self._query, ids)
            )
            self._rows = [job for job in rows if latest.has_to_be_sent(job, self._unsent, self._matching, self._shown)]
            for job_id in set(ids) - {job.id for job in self._rows}:
                del self._unsent[job_id]
        job = self._rows.pop(0) if self._rows else None
        if job is not None:
            del self._unsent[job.id]
        if not self._unsent:
            self._made_at = time.monotonic()
        return job
