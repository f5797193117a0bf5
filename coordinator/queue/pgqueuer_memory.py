"""What depends on internals of PgQueuer in a single process, and in both modes: how often it looks for results.

Written for PgQueuer 1.6.0 and bounded in pyproject.toml; see tests/unit/test_pgqueuer_internals.py.
"""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pgqueuer.adapters.inmemory import InMemoryQueries
from pgqueuer.adapters.inmemory import queries as in_memory
from pgqueuer.core import buffers
from pgqueuer.models import Job
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import QueueEntrypoint, QueueManagerId

from coordinator.queue.lanes import Solo

# How long a finished job whose write failed waits for the next attempt.
REPEAT_SECONDS = 1.0

_IMPORTED_AT, _IMPORTED_AT_MONOTONIC = datetime.now(UTC), time.monotonic()


def monotonic_now() -> datetime:
    """Return the instant of the import plus the monotonic time since then; setting the system clock has no effect."""
    return _IMPORTED_AT + timedelta(seconds=time.monotonic() - _IMPORTED_AT_MONOTONIC)


# A queue in memory ends with its process, so it can use the monotonic clock: setting the system clock back would
# lengthen its delays.
in_memory.utc_now = monotonic_now  # pyright: ignore[reportPrivateImportUsage] # checked in test_pgqueuer_internals


class FinishedJobs(buffers.JobStatusLogBuffer):
    """Writes each finished job at once, and repeats a write that failed after REPEAT_SECONDS.

    PgQueuer looks ten times a second for what is left to write, in each lane, which was half of the CPU time of an idle
    server.
    """

    async def flush(self) -> None:
        """Write what is left; after a failure, again later."""
        await super().flush()
        if not self.events.empty():
            asyncio.get_running_loop().call_later(REPEAT_SECONDS, self._repeat)

    def _repeat(self) -> None:
        if not self.shutdown.is_set():
            self.schedule_flush()

    async def periodic_flush(self) -> None:
        """Do nothing until the end: `flush` is called for each finished job."""
        await self.shutdown.wait()


def write_results_at_once() -> None:
    """Make PgQueuer use `FinishedJobs`; repeated calls have no effect."""
    buffers.JobStatusLogBuffer = FinishedJobs


@dataclass
class CappedInMemoryQueries(InMemoryQueries):
    """Runs at most `concurrency` jobs at once, fewer where `solo` says so; PgQueuer's own limit is at least two."""

    concurrency: int = 1
    solo: Solo = field(default_factory=Solo)

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        # The log of a queue in memory has no reader, and PgQueuer never shortens it.
        await self.clear_queue_log()
        free = self.solo.free(entrypoints)
        taken = await super().dequeue(batch_size, free, queue_manager_id, self.concurrency, heartbeat_timeout)
        for job in taken:
            self.solo.begin(job.entrypoint)
        return taken
