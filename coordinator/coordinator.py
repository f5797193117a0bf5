"""The in-process coordinator: everything that happens after a commit, and everything that runs without being asked.

Resolvers never call it about a change: the store tells it what was committed. Whatever fails in here is logged and
tried again, and neither blocks a mutation nor loses what it acknowledged.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta

from coordinator import audit
from coordinator.audit import Audit
from coordinator.bus.port import Hint
from coordinator.commands import idempotency
from coordinator.commands.batches import Batches
from coordinator.commands.jobs import Jobs
from coordinator.commands.policy import JobPolicy
from coordinator.commands.scenes import Scenes
from coordinator.queue.port import Queue
from coordinator.renders import reconciler, workdirs
from coordinator.renders.assembly import Assemblies
from coordinator.renders.pool import Renders
from coordinator.renders.render import RenderDeps
from coordinator.retrying import run_when_woken
from coordinator.storage import purge, retention
from coordinator.storage.retention import Retention
from coordinator.webhooks import deliveries
from coordinator.webhooks.commands import Webhooks
from coordinator.webhooks.deliverer import Deliverer, DeliveryDeps
from models.db.database import Connection
from models.domain.access import EXTERNAL
from models.domain.errors import Unavailable
from models.writes.change import Work
from models.writes.store import Committed, now
from providers.joining import joiner

log = logging.getLogger(__name__)

RECONCILE_SECONDS = 60.0
HOUSEKEEPING_SECONDS = 3600.0
PURGE_SECONDS = 60.0
RESTART_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
FRAMES_KEPT = timedelta(minutes=10)
AUDIT_KEPT = timedelta(days=90)


class Coordinator:
    """The verbs (`jobs`, `scenes`, `batches`, `webhooks`), and the life of what they set going."""

    def __init__(
        self,
        tools: RenderDeps,
        queue: Queue,
        telling: DeliveryDeps,
        *,
        default_provider: str,
        policy: JobPolicy,
        log_retention: Retention,
        audit_kept: timedelta = AUDIT_KEPT,
    ) -> None:
        self.store = tools.store
        self.bus = tools.bus
        self.media = tools.media
        self.providers = [*tools.providers, EXTERNAL]
        self.policy = policy
        self.jobs = Jobs(tools.store, self.providers, default_provider, policy)
        self.scenes = Scenes(tools.store, policy)
        self.batches = Batches(tools.store, policy)
        self.webhooks = Webhooks(tools.store, tools.bus, telling)
        self._deliverer = Deliverer(tools.store, tools.bus, telling)
        self.telling = telling
        self._tools = tools
        self.audit = Audit(tools.store)
        self._retention = log_retention
        self._audit_kept = audit_kept
        self._queue = queue
        self._renders = Renders(tools)
        self.assemblies = Assemblies(tools.store, tools.media, joiner.join, tools.limits.first_backoff_seconds)
        self._tasks: set[asyncio.Task[None]] = set()
        self._dispatching = False
        self._lost_tickets = asyncio.Event()
        tools.store.after_commit = self._committed
        if queue.joins_transactions:
            tools.store.before_commit = self._enqueue_within

    @property
    def running(self) -> bool:
        """Whether tickets are being handed out."""
        return self._dispatching

    async def start(self, *, renders: bool = True) -> None:
        """Take up what the last process left, and hand out tickets from now on; without `renders` others do."""
        work = {
            "reconcile": self._reconcile,
            "housekeeping": self._housekeeping,
            "purge": self._purge,
            "audit": self.audit.run,
        }
        if renders:
            await asyncio.to_thread(workdirs.sweep)
            await reconciler.reconcile(self.store, self._queue)
            work["dispatch"] = self._dispatch
            work["webhooks"] = self._deliverer.run
        for name, act in work.items():
            self._spawn(self._forever(name, act))

    async def stop(self) -> None:
        """Abandon the renders so that the next start takes them up, and stop everything else."""
        await self._renders.stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.audit.flush_on_shutdown()
        await self._deliverer.stop()
        await self.telling.outbound.close()
        for provider in self._tools.providers.values():
            await provider.close()

    def _committed(self, committed: Committed) -> None:
        for scene_id in committed.fenced:
            self._renders.abort(scene_id)
        if committed.work and not self._queue.joins_transactions:
            self._spawn(self._enqueue(committed.work))
        for tick in committed.ticks:
            self.bus.publish(tick)
        if committed.version is not None:
            self.bus.publish(Hint(committed.job_id, committed.version))

    async def _enqueue_within(self, connection: Connection, work: Sequence[Work]) -> None:
        await self._queue.enqueue(work, connection)

    async def _enqueue(self, work: Sequence[Work]) -> None:
        try:
            await self._queue.enqueue(work)
        except Exception:
            log.exception("tickets not accepted; they will be reconciled", extra={"action": "dispatch.lost"})
            self._lost_tickets.set()

    async def _dispatch(self) -> None:
        self._dispatching = True
        try:
            await self._queue.run(self._renders.handle, self.assemblies.handle)
        finally:
            self._dispatching = False

    async def _reconcile(self) -> None:
        await run_when_woken(
            self._lost_tickets,
            self._reconcile_once,
            name="reconcile",
            action="reconcile",
            poll_seconds=RECONCILE_SECONDS,
        )

    async def _reconcile_once(self) -> None:
        await reconciler.reconcile(self.store, self._queue)

    async def _housekeeping(self) -> None:
        while True:
            await idempotency.forget_old(self.store)
            await retention.prune(self.store, self._retention)
            await audit.prune(self.store, self._audit_kept)
            await deliveries.prune(self.store)
            await self.media.sweep_frames(now() - FRAMES_KEPT)
            await self._queue.prune()
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    async def _purge(self) -> None:
        while True:
            await purge.purge(self.store, self.media, self.bus)
            await asyncio.sleep(PURGE_SECONDS)

    async def _forever(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Nothing that goes wrong in the background ends the background. What is broken is left alone for longer."""
        pause = RESTART_SECONDS
        while True:
            began = time.monotonic()
            try:
                await work()
            except Unavailable as away:
                log.warning("%s waits: %s", name, away, extra={"action": f"{name}.away"})
                pause = RESTART_SECONDS
            except Exception:
                log.exception("%s failed and starts again", name, extra={"action": f"{name}.restart"})
                lasted = time.monotonic() - began
                pause = RESTART_SECONDS if lasted > LONGEST_PAUSE_SECONDS else min(2 * pause, LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
