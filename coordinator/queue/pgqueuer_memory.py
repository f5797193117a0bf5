"""What depends on internals of PgQueuer in a single process, and in both modes: how often it looks for results.

Written for PgQueuer 1.6.0 and bounded in pyproject.toml; see tests/unit/test_framework_internals.py.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pgqueuer.adapters.inmemory import InMemoryQueries
from pgqueuer.adapters.inmemory import queries as in_memory
from pgqueuer.core import buffers
from pgqueuer.models import Job
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import QueueEntrypoint, QueueManagerId

# How long a finished job whose write failed waits for the next attempt.
REPEAT_SECONDS = 1.0

_IMPORTED_AT, _IMPORTED_AT_MONOTONIC = datetime.now(UTC), time.monotonic()


def monotonic_now() -> datetime:
    """Return the instant of the import plus the monotonic time since then; setting the system clock has no effect."""
    return _IMPORTED_AT + timedelta(seconds=time.monotonic() - _IMPORTED_AT_MONOTONIC)


# A queue in memory ends with its process, so it can use the monotonic clock: setting the system clock back would
# lengthen its delays.
in_memory.utc_now = monotonic_now  # pyright: ignore[reportPrivateImportUsage] # checked in test_framework_internals


class FinishedJobs(buffers.JobStatusLogBuffer):
    """Writes each finished job at once, and repeats a write that failed after REPEAT_SECONDS.

    PgQueuer looks ten times a second for what is left to write, in each lane, which was half of the CPU time of an idle
    server.
    """

    def __init__(self, max_size: int, *, repository: buffers.JobLogSink) -> None:
        super().__init__(max_size, repository, timeout=timedelta(seconds=REPEAT_SECONDS))


def write_results_at_once() -> None:
    """Make PgQueuer use `FinishedJobs`; repeated calls have no effect."""
    buffers.JobStatusLogBuffer = FinishedJobs


@dataclass
class CappedInMemoryQueries(InMemoryQueries):
    """Runs at most `concurrency` jobs at once; PgQueuer's own limit cannot be lower than two."""

    concurrency: int = 1

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
        return await super().dequeue(batch_size, entrypoints, queue_manager_id, self.concurrency, heartbeat_timeout)
