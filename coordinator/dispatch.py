"""Dispatch: which render runs next, and how many at once. PgQueuer behind a port of three verbs.

Correctness does not rest on the queue: a render is fenced by what the scene's row says, and the reconciler puts back
whatever a queue lost. So every verb here may be repeated without harm.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from pgqueuer import PgQueuer
from pgqueuer.adapters.inmemory import InMemoryDriver, InMemoryQueries
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import JobId, QueueEntrypoint, QueueManagerId

from models.change import Ticket

ENTRYPOINT = "render"
LEASE = timedelta(seconds=30)

log = logging.getLogger(__name__)


class NotNow(Exception):
    """The handler asks to see the ticket again after `delay_seconds`."""

    def __init__(self, delay_seconds: float) -> None:
        super().__init__(f"again in {delay_seconds} s")
        self.delay_seconds = delay_seconds


Handler = Callable[[Ticket], Awaitable[None]]


class Queue(Protocol):
    """Hands tickets to a handler, the highest priority first, each at least once."""

    async def enqueue(self, tickets: Sequence[Ticket]) -> None:
        """Accept tickets; one whose key is still waiting or running is left as it is."""
        ...

    async def cancel(self, keys: Sequence[str]) -> None:
        """Forget waiting tickets; a running one is aborted by its handler, not here."""
        ...

    async def run(self, handler: Handler) -> None:
        """Call the handler for every ticket, as many at once as configured, until cancelled."""
        ...


@dataclass
class _Queries(InMemoryQueries):
    """PgQueuer asks for room for two batches; this caps what runs at once to any number, one included."""

    concurrency: int = 1

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        # Nobody reads the log of a queue in memory, and nothing else would ever shorten it.
        await self.clear_queue_log()
        return await super().dequeue(batch_size, entrypoints, queue_manager_id, self.concurrency, heartbeat_timeout)


class EmbeddedQueue:
    """PgQueuer's in-memory driver: the queue of a single process, rebuilt from the database at every start."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._queries = _Queries(InMemoryDriver(), concurrency=concurrency)
        self._ids: dict[str, JobId] = {}

    async def enqueue(self, tickets: Sequence[Ticket]) -> None:
        """Accept tickets; one whose key is still waiting or running is left as it is."""
        for ticket in tickets:
            (accepted,) = await self._queries.enqueue(
                ENTRYPOINT,
                json.dumps(ticket).encode(),
                ticket.priority,
                timedelta(seconds=ticket.delay_seconds),
                ticket.key,
                on_conflict="skip",
            )
            if accepted is not None:
                self._ids[ticket.key] = accepted

    async def cancel(self, keys: Sequence[str]) -> None:
        """Forget waiting tickets; a running one is aborted by its handler, not here."""
        ids = [self._ids[key] for key in keys if key in self._ids]
        if ids:
            await self._queries.mark_job_as_cancelled(ids)

    async def run(self, handler: Handler) -> None:
        """Call the handler for every ticket, as many at once as configured, until cancelled."""

        async def handle(job: Job) -> None:
            ticket = Ticket(*json.loads(job.payload or b"[]"))
            try:
                await handler(ticket)
            except NotNow as later:
                raise RetryRequested(timedelta(seconds=later.delay_seconds)) from later
            except asyncio.CancelledError as stopping:
                # A CancelledError that escapes is taken as "canceled" and deletes the ticket.
                raise RetryRequested(reason="shutting down") from stopping
            except Exception as failure:
                raise RetryRequested(timedelta(seconds=1)) from failure
            self._ids.pop(ticket.key, None)

        queuer = PgQueuer(self._queries.driver, queries=self._queries)
        queuer.entrypoint(ENTRYPOINT)(handle)
        await queuer.run(
            batch_size=1,
            max_concurrent_tasks=max(2, self._concurrency),
            heartbeat_timeout=LEASE,
            dequeue_timeout=timedelta(seconds=5),
            log_aggregation_interval=timedelta(0),
        )
