"""The queue of a single process, in memory; the reconciler rebuilds it from the database at every start."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pgqueuer.adapters.inmemory import InMemoryDriver, InMemoryQueries
from pgqueuer.models import Job
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.qm import QueueManager
from pgqueuer.types import JobId, QueueEntrypoint, QueueManagerId

from coordinator.queue import port
from coordinator.queue.port import ASSEMBLIES_AT_ONCE, LEASE_SECONDS, Assembler, Concurrency, Handler, Lane
from models.db.database import Connection
from models.writes.change import Assembly, Work

# Where tickets go whose provider is not, or no longer, configured.
UNKNOWN = "?"


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

    async def forget(self, keys: Sequence[str]) -> None:
        """Delete what waits under these keys, and nothing that runs: PgQueuer would free its place."""
        known = [self._dedupe_index[key] for key in keys if key in self._dedupe_index]
        await self.mark_job_as_cancelled([JobId(each) for each in known if each not in self._picked_ids])


class EmbeddedQueue:
    """PgQueuer's in-memory driver."""

    joins_transactions = False

    def __init__(self, concurrency: Concurrency) -> None:
        # No other process could render for a provider that this one has not: the handler is asked, and says so.
        self._concurrency = concurrency._replace(of_provider={**concurrency.of_provider, UNKNOWN: 0})
        self._renders = _Queries(InMemoryDriver(), concurrency=concurrency.here)
        self._assemblies = _Queries(InMemoryDriver(), concurrency=ASSEMBLIES_AT_ONCE)

    async def enqueue(self, work: Sequence[Work], connection: Connection | None = None) -> None:
        """Accept tickets and assemblies; one that is waiting or running stays as it is."""
        for each in work:
            queries = self._assemblies if isinstance(each, Assembly) else self._renders
            entrypoint, priority = port.route(self._known(each))
            delay = timedelta(seconds=each.delay_seconds)
            await queries.enqueue(entrypoint, port.encode(each), priority, delay, each.key, on_conflict="skip")

    async def cancel(self, keys: Sequence[str]) -> None:
        """Forget waiting tickets; a running one is aborted by its handler, not here."""
        for queries in (self._renders, self._assemblies):
            await queries.forget(keys)

    async def run(self, handler: Handler, assembler: Assembler | None = None) -> None:
        """Call the handler for every ticket, as many at once as configured, until cancelled."""
        lanes = [_run(self._renders, port.renders(self._concurrency, handler))]
        if assembler is not None:
            lanes.append(_run(self._assemblies, port.assemblies(assembler)))
        await port.run_until_first_exits(*lanes)

    def _known(self, work: Work) -> Work:
        if isinstance(work, Assembly) or work.provider in self._concurrency.of_provider:
            return work
        return work._replace(provider=UNKNOWN)

    async def prune(self) -> None:
        """Nothing is kept."""


async def _run(queries: _Queries, lane: Lane) -> None:
    # The driver only carries news of the queue; nothing would ever take the listeners of an earlier run off it.
    queries.driver = InMemoryDriver()
    await port.run(QueueManager(queries), lane, lease_seconds=LEASE_SECONDS)
