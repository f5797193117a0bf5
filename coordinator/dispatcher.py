"""The dispatcher: what follows every commit. It is the commit listener of the store of a running server or worker."""

import asyncio
import logging
from collections.abc import Sequence

from coordinator.bus.port import Bus, Change, DeliveriesDue, Hint, LeasedWork
from coordinator.queue.port import Queue
from coordinator.renders.pool import RunningRenders
from coordinator.tasks import Tasks
from coordinator.telemetry import spans, take_lines
from coordinator.telemetry.port import NO_TELEMETRY, Telemetry
from models.db.database import Connection
from models.writes.change import Work
from models.writes.store import Committed
from models.writes.take_steps import TakeStep

log = logging.getLogger(__name__)


class Dispatcher:
    """Enqueues the work of a commit, aborts the renders that it fenced off, and publishes its hints and ticks.

    It reports the results of takes to logs and metrics.
    """

    def __init__(self, queue: Queue, bus: Bus, running: RunningRenders, telemetry: Telemetry = NO_TELEMETRY) -> None:
        self.queue = queue
        self.bus = bus
        self.running = running
        self.telemetry = telemetry
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
        if committed.job is not None:
            self.bus.publish(Change(committed.events, committed.job))
        elif committed.version is not None:
            self.bus.publish(Hint(committed.job_id, committed.version))
        if committed.deliveries:
            self.bus.publish(DeliveriesDue())
        if committed.leased_work:
            self.bus.publish(LeasedWork())
        if committed.steps:
            self._report(committed.steps)
        spans.report_published(self.telemetry, committed.job_id, committed.events)

    def _report(self, steps: Sequence[TakeStep]) -> None:
        for step in steps:
            self.telemetry.take(step)
            spans.report_step(self.telemetry, step)
        if rest := take_lines.write_some(steps):
            self._enqueuing.start(take_lines.write_rest(rest))

    async def stop(self) -> None:
        """Cancel what is being enqueued: the reconciler of the next start enqueues it."""
        await self._enqueuing.stop()

    async def _enqueue(self, work: Sequence[Work]) -> None:
        try:
            await self.queue.enqueue(work)
        except Exception:
            log.exception("work not enqueued; the reconciler will do it", extra={"action": "dispatch.lost"})
            self.lost_work.set()
