"""The dispatcher: what follows every commit. It is the commit listener of the store of a running server or worker."""

import asyncio
import logging
from collections.abc import Sequence

from coordinator.bus.port import Bus, DeliveriesDue, Hint
from coordinator.queue.port import Queue
from coordinator.renders.pool import RunningRenders
from coordinator.tasks import Tasks
from models.db.database import Connection
from models.writes.change import Work
from models.writes.store import Committed

log = logging.getLogger(__name__)


class Dispatcher:
    """Enqueues the work of a commit, aborts the renders that it fenced off, and publishes its hints and ticks."""

    def __init__(self, queue: Queue, bus: Bus, running: RunningRenders) -> None:
        self.queue = queue
        self.bus = bus
        self.running = running
        # Set when the queue did not accept work after a commit: the reconciler has to enqueue it.
        self.lost_work = asyncio.Event()
        self._enqueuing = Tasks("dispatcher")

    @property
    def joins_transactions(self) -> bool:
        """Whether the queue is in the same database."""
        return self.queue.joins_transactions

    async def before_commit(self, connection: Connection, work: Sequence[Work]) -> None:
        """Enqueue the work in the transaction, if the queue is in the same database."""
        if self.queue.joins_transactions:
            await self.queue.enqueue(work, connection)

    def after_commit(self, committed: Committed) -> None:
        """Start everything else; waits for nothing."""
        for scene_id in committed.fenced:
            self.running.abort(scene_id)
        if committed.work and not self.queue.joins_transactions:
            self._enqueuing.start(self._enqueue(committed.work))
        for tick in committed.ticks:
            self.bus.publish(tick)
        if committed.version is not None:
            self.bus.publish(Hint(committed.job_id, committed.version))
        if committed.deliveries:
            self.bus.publish(DeliveriesDue())

    async def stop(self) -> None:
        """Cancel what is being enqueued: the reconciler of the next start enqueues it."""
        await self._enqueuing.stop()

    async def _enqueue(self, work: Sequence[Work]) -> None:
        try:
            await self.queue.enqueue(work)
        except Exception:
            log.exception("work not enqueued; the reconciler will do it", extra={"action": "dispatch.lost"})
            self.lost_work.set()
