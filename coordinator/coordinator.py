"""The coordinator of a process: the commands of users, and the background work behind them.

Commands never call it after a change: the store reports its commits to the dispatcher. Every error in the background is
logged and retried; it neither delays a mutation nor loses one that was acknowledged.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from coordinator import audit, clock, tasks, workdirs
from coordinator.all_commands import Commands
from coordinator.assets import purge as asset_purge
from coordinator.assets.commands import AssetPolicy, Assets
from coordinator.assets.completion import Completions
from coordinator.assets.looking import Looking
from coordinator.assets.uploads import Uploads
from coordinator.audit import AuditLog
from coordinator.bus.port import TokenRevoked
from coordinator.commands import idempotency, tokens
from coordinator.commands.policy import JobPolicy
from coordinator.commands.tokens import Tokens
from coordinator.dispatcher import Dispatcher
from coordinator.leases.leasing import Leasing
from coordinator.renders import reconciler, silent_takes
from coordinator.renders.assembly import Assemblies
from coordinator.renders.deliveries import Deliveries
from coordinator.renders.deps import RenderDeps
from coordinator.renders.pool import Renders
from coordinator.renders.silent_takes import SilentTakes
from coordinator.retrying import run_when_woken
from coordinator.storage import purge, retention
from coordinator.storage.retention import Retention
from coordinator.tasks import RepeatedErrors, Stop, Tasks
from coordinator.webhooks import deliveries
from coordinator.webhooks.commands import Webhooks
from coordinator.webhooks.deliverer import Deliverer, DeliveryDeps
from models.db.cancellation import raise_if_cancelled
from models.db.clock import now
from models.domain.access import EXTERNAL, LEASED
from models.domain.errors import Unavailable
from models.writes import job_counts, titles
from models.writes.audit import AuditContext
from models.writes.store import Store
from providers.joining import joiner

log = logging.getLogger(__name__)

RECONCILE_SECONDS = 60.0
HOUSEKEEPING_SECONDS = 3600.0
PURGE_SECONDS = 60.0
# The maximum age, in seconds, of the catalogue that reads show; every command reads the current one.
CATALOGUE_SECONDS = 15.0
RESTART_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# Time limits, in seconds, of a stop: for handing renders and tickets over, and for webhook attempts in flight.
HAND_OVER_SECONDS = 7.0
DELIVERER_STOP_SECONDS = 3.0
# How long everything else may take to stop, unless the caller gives a limit.
STOP_SECONDS = 3.0
FRAMES_KEPT = timedelta(minutes=10)
AUDIT_KEPT = timedelta(days=90)
DEFAULT_ASSET_POLICY = AssetPolicy()


class Coordinator:
    """Makes the commands, and runs the background work.

    That is dispatch, the reconciler, housekeeping, the purge, deadlines of external takes, leases, the audit log and
    webhooks.
    """

    def __init__(
        self,
        deps: RenderDeps,
        dispatcher: Dispatcher,
        delivery_deps: DeliveryDeps,
        *,
        default_provider: str,
        policy: JobPolicy,
        log_retention: Retention,
        audit_kept: timedelta = AUDIT_KEPT,
        external_deadline: timedelta = silent_takes.DEADLINE,
        asset_policy: AssetPolicy = DEFAULT_ASSET_POLICY,
        leases_at_once: int = 0,
    ) -> None:
        self.store = deps.store
        self.media = deps.media
        self.providers = [*deps.providers, LEASED, EXTERNAL]
        self.catalogue = deps.catalogue
        self.policy = policy
        self.delivery_deps = delivery_deps
        self.uploads = Uploads(
            deps.store, deps.media, lifetime=asset_policy.upload_lifetime, direct=asset_policy.direct
        )
        self._asset_policy = asset_policy
        self._completions = Completions(deps.store, self.uploads, Looking())
        self.audit = AuditLog(deps.store)
        self.assemblies = Assemblies(
            deps.store,
            deps.media,
            partial(joiner.join, codec=deps.inspections.codec),
            deps.limits.first_backoff_seconds,
            dispatcher.queue.enqueue,
            deps.telemetry,
        )
        self.default_provider = default_provider
        self._retention = log_retention
        self._audit_kept = audit_kept
        self._silent_takes = SilentTakes(deps.store, external_deadline)
        deps = deps._replace(deliveries=Deliveries(deps.store, self.uploads))
        self.leasing = Leasing(
            deps.store,
            deps.bus,
            self.uploads,
            deps.limits,
            deps.input_files,
            most_bytes=asset_policy.most_bytes,
            at_once=leases_at_once,
        )
        self._deps = deps
        self._dispatcher = dispatcher
        self._queue = dispatcher.queue
        self._renders = Renders(deps, dispatcher.running)
        self._deliverer = Deliverer(deps.store, deps.bus, delivery_deps)
        # Cancelled first at a stop, so that other processes take over while requests are still being answered.
        self._dispatch_tasks = Tasks("dispatch")
        self._webhook_tasks = Tasks("webhooks")
        self._own_tasks = Tasks("background work")
        self._handing_over: asyncio.Task[None] | None = None
        self._dispatching = False
        self._restarts = RepeatedErrors()

    @property
    def running(self) -> bool:
        """Whether this process takes work from the queue."""
        return self._dispatching

    def commands(self, audit_context: AuditContext | None = None) -> Commands:
        """Return the commands for one operation, which write its audit entries with their changes if it has any."""
        return Commands(self, self.store if audit_context is None else self.store.audited(audit_context))

    def webhooks(self, store: Store) -> Webhooks:
        """Return the commands on webhooks of one operation."""
        return Webhooks(store, self._deps.bus, self.delivery_deps)

    def assets(self, store: Store) -> Assets:
        """Return the commands on assets of one operation."""
        return Assets(store, self.uploads, self._completions, self._asset_policy)

    def tokens(self, store: Store) -> Tokens:
        """Return the commands on access tokens of one operation."""
        return Tokens(store, lambda token_id: self._deps.bus.publish(TokenRevoked(token_id)))

    async def start(self, *, renders: bool = True) -> None:
        """Start the background work; without `renders`, other processes render and deliver webhooks."""
        await self.catalogue.read()
        if renders:
            await asyncio.to_thread(workdirs.sweep)
            await reconciler.reconcile(self.store, self._queue)
            self._dispatch_tasks.start(self._run_forever("dispatch", self._dispatch))
            self._webhook_tasks.start(self._run_forever("webhooks", self._deliverer.run))
        work = {
            "clock": self._watch_clock,
            "catalogue": self._read_catalogue,
            "reconcile": self._reconcile,
            "housekeeping": self._housekeeping,
            "purge": self._purge,
            "silent takes": self._fail_silent_takes,
            "leases": self.leasing.run,
            "audit": self.audit.run,
        }
        for name, run in work.items():
            self._own_tasks.start(self._run_forever(name, run), name)

    def hand_over(self) -> asyncio.Task[None]:
        """Start handing renders and deliveries over to other processes, or to the next start; return the task."""
        self.leasing.close()
        if self._handing_over is None:
            self._handing_over = asyncio.create_task(self._hand_over(), name="hand over")
        return self._handing_over

    async def _hand_over(self) -> None:
        await asyncio.gather(self._dispatch_tasks.stop(HAND_OVER_SECONDS), self._stop_deliveries())

    async def _stop_deliveries(self) -> None:
        await self._webhook_tasks.stop()
        await tasks.stop("webhook deliveries", self._deliverer.stop(), DELIVERER_STOP_SECONDS)

    async def stop(self, limit: Stop | None = None) -> None:
        """Hand over, then stop everything else within the limit."""
        await self.hand_over()
        limit = limit or Stop(STOP_SECONDS)
        await asyncio.gather(
            limit.part("background work", self._own_tasks.stop()),
            limit.part("assets", self._completions.tasks.stop()),
            limit.part("dispatcher", self._dispatcher.stop()),
        )
        await limit.part("audit log", self.audit.flush_on_shutdown())
        await asyncio.gather(
            limit.part("webhook client", self.delivery_deps.http.close()),
            *(limit.part(f"provider {name}", each.close()) for name, each in self._deps.providers.items()),
        )

    async def _dispatch(self) -> None:
        self._dispatching = True
        try:
            await self._queue.run(self._renders.handle, self.assemblies.handle)
        finally:
            self._dispatching = False

    async def _reconcile(self) -> None:
        async def reconcile() -> None:
            await reconciler.reconcile(self.store, self._queue)

        await run_when_woken(
            self._dispatcher.lost_work,
            reconcile,
            name="reconciler",
            action="reconciler",
            poll_seconds=RECONCILE_SECONDS,
        )

    async def _watch_clock(self) -> None:
        # A queue on Postgres has delays by its clock, which the reconciler corrects.
        await clock.watch(self.store, self._dispatcher.lost_work.set)

    async def _read_catalogue(self) -> None:
        while True:
            await self.catalogue.read()
            await asyncio.sleep(CATALOGUE_SECONDS)

    async def _housekeeping(self) -> None:
        while True:
            await idempotency.prune(self.store)
            await retention.prune(self.store, self._retention)
            await audit.prune(self.store, self._audit_kept)
            await deliveries.prune(self.store)
            await tokens.prune(self.store)
            await titles.fold_missing(self.store.database)
            await self._silent_takes.note_unnoted()
            await self.leasing.prune()
            await self.media.sweep_frames(now() - FRAMES_KEPT)
            await self._queue.prune()
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    async def _purge(self) -> None:
        while True:
            # First the pause: it is not urgent, and a server that starts has changes to make up for.
            await asyncio.sleep(PURGE_SECONDS)
            await asset_purge.purge(self.store)
            await purge.purge(self.store, self.media, self._deps.bus, purge.GRACE)
            await job_counts.merge(self.store.database)

    async def _fail_silent_takes(self) -> None:
        while True:
            await self._silent_takes.fail()
            await asyncio.sleep(self._silent_takes.check_seconds)

    async def _run_forever(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Restart the work when it fails, after a pause that doubles while it keeps failing soon after its start."""
        pause = RESTART_SECONDS
        while True:
            started_at = time.monotonic()
            try:
                await work()
            except Unavailable as error:
                raise_if_cancelled(error)
                log.warning("%s waits: %s", name, error, extra={"action": f"{name}.unavailable"})
                pause = RESTART_SECONDS
            except Exception as error:
                raise_if_cancelled(error)
                details = None if self._restarts.includes(name, error) else error
                message = "%s failed and is restarted: %r"
                log.error(message, name, error, exc_info=details, extra={"action": f"{name}.restart"})
                lasted = time.monotonic() - started_at
                pause = RESTART_SECONDS if lasted > LONGEST_PAUSE_SECONDS else min(2 * pause, LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)
