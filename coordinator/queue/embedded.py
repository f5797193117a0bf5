"""The queue of a single process, in memory; the reconciler rebuilds it from the database at every start."""

from collections.abc import Sequence
from datetime import timedelta

from pgqueuer.adapters.inmemory import InMemoryDriver
from pgqueuer.qm import QueueManager

from coordinator.queue import lanes, runner
from coordinator.queue.lanes import ADOPTIONS_AT_ONCE, ASSEMBLIES_AT_ONCE, Lane
from coordinator.queue.pgqueuer_memory import CappedInMemoryQueries
from coordinator.queue.port import LEASE_SECONDS, Assembler, Concurrency, Handler
from models.db.database import Connection
from models.domain.access import EXTERNAL, LEASED
from models.writes.change import Assembly, Work

# The provider under which tickets are queued whose provider is not, or no longer, configured.
UNKNOWN = "?"


class EmbeddedQueue:
    """PgQueuer with its in-memory driver."""

    joins_transactions = False

    def __init__(self, concurrency: Concurrency) -> None:
        # No other process could have the provider of such a ticket: the handler runs and records the failure.
        self._concurrency = concurrency._replace(of_provider={**concurrency.of_provider, UNKNOWN: 0})
        self._renders = CappedInMemoryQueries(InMemoryDriver(), concurrency=concurrency.here)
        self._adoptions = CappedInMemoryQueries(InMemoryDriver(), concurrency=ADOPTIONS_AT_ONCE)
        self._assemblies = CappedInMemoryQueries(InMemoryDriver(), concurrency=ASSEMBLIES_AT_ONCE)

    async def enqueue(self, work: Sequence[Work], connection: Connection | None = None) -> None:
        """Accept work. Work that is waiting or running is skipped."""
        for each in work:
            queries = self._queries_of(each)
            entrypoint, priority = lanes.route(self._with_known_provider(each))
            delay = timedelta(seconds=each.delay_seconds)
            await queries.enqueue(entrypoint, lanes.encode(each), priority, delay, each.key, on_conflict="skip")

    async def run(self, handler: Handler, assembler: Assembler | None = None) -> None:
        """Call `handler` for every ticket, up to the configured concurrency, until cancelled."""
        running = [
            _run(self._renders, lanes.render_lane(self._concurrency, handler)),
            _run(self._adoptions, lanes.adoption_lane(handler)),
        ]
        if assembler is not None:
            running.append(_run(self._assemblies, lanes.assembly_lane(assembler)))
        await runner.run_until_first_exits(*running)

    def _queries_of(self, work: Work) -> CappedInMemoryQueries:
        if isinstance(work, Assembly):
            return self._assemblies
        return self._adoptions if work.provider in (EXTERNAL, LEASED) else self._renders

    def _with_known_provider(self, work: Work) -> Work:
        if isinstance(work, Assembly) or work.provider in (EXTERNAL, LEASED, *self._concurrency.of_provider):
            return work
        return work._replace(provider=UNKNOWN)

    async def prune(self) -> None:
        """Do nothing: finished work leaves no records."""


async def _run(queries: CappedInMemoryQueries, lane: Lane) -> None:
    # A new driver: it only carries notifications, and the listeners of an earlier run are never removed from it.
    queries.driver = InMemoryDriver()
    queries.solo = lane.solo
    await runner.run_lane(QueueManager(queries), lane, lease_seconds=LEASE_SECONDS)
