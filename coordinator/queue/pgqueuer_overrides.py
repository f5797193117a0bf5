"""What depends on internals of PgQueuer on Postgres: overridden methods, and a message that it sends to itself.

Written for PgQueuer 1.6.0 and bounded in pyproject.toml. tests/unit/test_pgqueuer_internals.py fails when an
overridden method, the set of methods that PgQueuer's loop calls, or the message changes.
"""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
from pgqueuer import Queries
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.domain.settings import db_settings
from pgqueuer.models import Job, TracebackRecord
from pgqueuer.ports.driver import NotifyCallback
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import JOB_STATUS, JobId, QueueEntrypoint, QueueManagerId

from coordinator.bus.listener import LOST, Listener
from coordinator.queue.lanes import Lane
from coordinator.retrying import RETRY_SECONDS
from models.db.cancellation import raise_if_cancelled

log = logging.getLogger(__name__)

NAMES = db_settings()

# The notification of PgQueuer's table trigger. Delivered after a reconnect, it makes a manager look for work at once.
TABLE_CHANGED = (
    '{"channel": "%s", "operation": "insert", "sent_at": "2000-01-01T00:00:00+00:00", "table": "pgqueuer", '
    '"type": "table_changed_event"}'
)

# While stopping, how long a write is retried.
STOP_SECONDS = 4.0

T = TypeVar("T")
Finished = tuple[Job, JOB_STATUS, TracebackRecord | None]


class ListenerDriver(AsyncpgPoolDriver):
    """Listens through our Listener, which reconnects; PgQueuer's own listening connection does not."""

    def __init__(self, pool: asyncpg.Pool, listener: Listener) -> None:
        super().__init__(pool)
        self._listener = listener
        self._unlisten: list[Callable[[], None]] = []

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        self._unlisten += [
            self._listener.when_up(lambda: callback(TABLE_CHANGED % channel)),
            await self._listener.listen(channel, callback),
        ]

    def stop(self) -> None:
        """Remove all listeners."""
        for unlisten in self._unlisten:
            unlisten()


class ResilientQueries(Queries):
    """Runs as many jobs at once as its lane allows, survives an unavailable Postgres, and fences finished jobs.

    An error in one of these methods would end PgQueuer's loop, which then waits for all running renders before it can
    be started again, or would make PgQueuer treat a ticket as finished that must run again. So reads return an empty
    queue while Postgres is unavailable, and writes are retried.
    """

    def __init__(self, driver: ListenerDriver, lane: Lane) -> None:
        super().__init__(driver)
        self._lane = lane
        self._available = True
        self._give_up_at = math.inf

    def stop(self) -> None:
        """Let writes fail from now on when Postgres stays unavailable for STOP_SECONDS."""
        self._give_up_at = min(self._give_up_at, time.monotonic() + STOP_SECONDS)

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        free = self._lane.solo.free(entrypoints)
        if not free:
            return []
        taken = await self._default_if_lost(
            list[Job](),
            super().dequeue(batch_size, free, queue_manager_id, self._lane.at_once, heartbeat_timeout),
        )
        for job in taken:
            self._lane.solo.begin(job.entrypoint)
        return taken

    async def eligible_queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        return await self._default_if_lost(0, super().eligible_queued_work(entrypoints))

    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        return await self._default_if_lost(0, super().queued_work(entrypoints))

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:
        return await self._default_if_lost(timedelta(seconds=RETRY_SECONDS), super().next_deferred_eta(entrypoints))

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        await self._default_if_lost(None, super().update_heartbeat(job_ids))

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        retry_job = super().retry_job

        async def retry_if_held() -> None:
            if await self._held([job]):
                await retry_job(job, delay, traceback_record)
                if not delay:
                    # PgQueuer's trigger does not notify of updates, and others would find the ticket by polling only.
                    await self.driver.notify(NAMES.channel, TABLE_CHANGED % NAMES.channel)

        await self._retry_while_lost(retry_if_held)

    async def log_jobs(self, job_status: list[Finished]) -> None:
        log_jobs = super().log_jobs

        async def log_held() -> None:
            held = await self._held([job for job, _, _ in job_status])
            if held:
                await log_jobs([finished for finished in job_status if finished[0].id in held])

        await self._retry_while_lost(log_held)

    async def _held(self, jobs: list[Job]) -> set[int]:
        """Return the ids of the jobs that this manager still holds.

        PgQueuer writes by job id alone, so a late result would delete the ticket of the worker that took it over.
        """
        rows = await self.driver.fetch(
            f"SELECT id, queue_manager_id FROM {NAMES.queue_table} WHERE id = ANY($1)",  # noqa: S608 # a constant name
            [job.id for job in jobs],
        )
        holders = {(row["id"], row["queue_manager_id"]) for row in rows}
        return {job.id for job in jobs if (job.id, job.queue_manager_id) in holders}

    async def _retry_while_lost(self, write: Callable[[], Awaitable[None]]) -> None:
        """Retry the write until Postgres is available.

        While stopping, this has a time limit: a ticket that was not written stays until its lease ends. PgQueuer would
        log an error once for each of its attempts.
        """
        while True:
            try:
                return await write()
            except LOST as error:
                raise_if_cancelled(error)
                if time.monotonic() + RETRY_SECONDS > self._give_up_at:
                    self._log_unavailable(error)
                    return None
                await asyncio.sleep(RETRY_SECONDS)

    async def _default_if_lost(self, default: T, query: Awaitable[T]) -> T:
        """Return the result of the query, or `default` while Postgres is unavailable."""
        try:
            result = await query
        except LOST as error:
            raise_if_cancelled(error)
            self._log_unavailable(error)
            return default
        if not self._available:
            log.info("the queue is available again", extra={"action": "queue.available"})
        self._available = True
        return result

    def _log_unavailable(self, error: Exception) -> None:
        if self._available:
            log.warning("the queue is unavailable: %r", error, extra={"action": "queue.unavailable"})
        self._available = False
