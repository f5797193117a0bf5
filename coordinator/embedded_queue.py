"""The queue of a single process, in memory; the reconciler rebuilds it from the database at every start."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pgqueuer import PgQueuer
from pgqueuer.adapters.inmemory import InMemoryDriver, InMemoryQueries
from pgqueuer.models import Job
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import JobId, QueueEntrypoint, QueueManagerId

from coordinator import dispatch
from coordinator.dispatch import LEASE_SECONDS, Concurrency, Handler
from models.change import Ticket
from models.database import Connection

UNKNOWN = "unknown"


@dataclass
class _Queries(InMemoryQueries):
    """Caps what runs at once to any number, one included."""

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
    """PgQueuer's in-memory driver."""

    joins_transactions = False

    def __init__(self, concurrency: Concurrency) -> None:
        # What was made for a provider that is no longer here must be told so, or it would wait for ever.
        self._concurrency = concurrency._replace(of_provider={**concurrency.of_provider, UNKNOWN: 0})
        self._queries = _Queries(InMemoryDriver(), concurrency=concurrency.here)
        self._ids: dict[str, JobId] = {}

    async def enqueue(self, tickets: Sequence[Ticket], connection: Connection | None = None) -> None:
        """Accept tickets; one that is waiting or running stays as it is."""
        for ticket in tickets:
            (accepted,) = await self._queries.enqueue(
                dispatch.entrypoint(ticket.provider if ticket.provider in self._concurrency.of_provider else UNKNOWN),
                dispatch.pack(ticket),
                ticket.priority,
                timedelta(seconds=ticket.delay_seconds),
                ticket.key,
                on_conflict="skip",
            )
            if accepted is not None:
                self._ids[ticket.key] = accepted

    async def cancel(self, keys: Sequence[str]) -> None:
        """Forget waiting tickets; a running one is aborted by its handler, not here."""
        ids = [self._ids.pop(key) for key in keys if key in self._ids]
        if ids:
            await self._queries.mark_job_as_cancelled(ids)

    async def run(self, handler: Handler) -> None:
        """Call the handler for every ticket, as many at once as configured, until cancelled."""

        async def handle(ticket: Ticket) -> None:
            await handler(ticket)
            self._ids.pop(ticket.key, None)

        queuer = PgQueuer(self._queries.driver, queries=self._queries)
        await dispatch.run(queuer, self._concurrency, handle, lease_seconds=LEASE_SECONDS)

    async def tidy(self) -> None:
        """Nothing is kept."""
