"""Runs lanes on PgQueuer, and stops them without losing a ticket."""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, cast

from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager

from coordinator import tasks
from coordinator.queue.lanes import Lane
from coordinator.queue.pgqueuer_memory import write_results_at_once
from coordinator.queue.port import Snooze
from models.domain.errors import Unavailable

log = logging.getLogger(__name__)

# How often a manager looks for work without being notified.
POLL_SECONDS = 2.0
# The delay of a ticket whose handler failed.
FAILED_DELAY_SECONDS = 1.0
# Time limits, in seconds: for handlers to stop and their tickets to be put back, and for the whole lane.
STOP_SECONDS = 6.0
LANE_STOP_SECONDS = 6.4


async def run_lane(manager: QueueManager, lane: Lane, *, lease_seconds: float) -> None:
    """Run a lane on a PgQueuer manager until cancelled.

    Without PgQueuer's scheduler: it polls every second for schedules that are not used here, and crashes when the
    database is down.
    """
    write_results_at_once()
    runner = _LaneRunner(manager, lane)
    for name, limit in lane.limits.items():
        manager.entrypoint(name, concurrency_limit=limit)(runner.handle)
    await runner.run(lease_seconds)


async def run_until_first_exits(*lanes: Coroutine[Any, Any, None]) -> None:
    """Run lanes until one of them ends, which it does only by an error, or until cancelled."""
    running = [asyncio.ensure_future(lane) for lane in lanes]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await tasks.cancel("the queue", running, LANE_STOP_SECONDS + 0.2)


class _LaneRunner:
    def __init__(self, manager: QueueManager, lane: Lane) -> None:
        self._manager = manager
        self._lane = lane
        self._handling: set[asyncio.Task[Any]] = set()

    async def handle(self, job: Job) -> None:
        """Handle one queued job. Raises RetryRequested when it must run again."""
        try:
            await self._handle(job)
        finally:
            self._lane.solo.end(job.entrypoint)

    async def _handle(self, job: Job) -> None:
        if self._manager.shutdown.is_set():
            raise RetryRequested(reason="shutting down")
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._handling.add(task)
        try:
            await self._lane.handle(job.payload)
        except (Exception, asyncio.CancelledError) as error:  # cancellation: PgQueuer would delete the ticket
            if isinstance(error, asyncio.CancelledError):
                task.uncancel()
            raise _retry_request(error) from error
        finally:
            self._handling.discard(task)

    async def run(self, lease_seconds: float) -> None:
        running = asyncio.create_task(
            self._manager.run(
                batch_size=1,
                # PgQueuer requires room for two batches; each queue's `dequeue` applies the real limit.
                max_concurrent_tasks=max(2, self._lane.at_once),
                heartbeat_timeout=timedelta(seconds=lease_seconds),
                dequeue_timeout=timedelta(seconds=POLL_SECONDS),
                log_aggregation_interval=timedelta(0),
            )
        )
        try:
            await asyncio.wait([running])
            running.result()
        finally:
            # Cancelling `running` alone would block until the handlers are done.
            self._manager.shutdown.set()
            for task in self._handling:
                task.cancel()
            await tasks.cancel("the work of the queue", [running], STOP_SECONDS)


def _retry_request(error: Exception | asyncio.CancelledError) -> RetryRequested:
    """Return how the ticket of a failed handler is queued again. An unexpected error is logged."""
    match error:
        case Snooze():
            return RetryRequested(timedelta(seconds=error.delay_seconds))
        case asyncio.CancelledError():
            # PgQueuer would treat a CancelledError as a canceled job, and delete it.
            return RetryRequested(reason="shutting down")
        case Unavailable():
            return RetryRequested(timedelta(seconds=FAILED_DELAY_SECONDS))
        case _:
            log.error("work failed and is retried", exc_info=error, extra={"action": "queue.failed"})
            return RetryRequested(timedelta(seconds=FAILED_DELAY_SECONDS))
