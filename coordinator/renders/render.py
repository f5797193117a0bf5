"""One render and its steps: submit, follow, store the files, record the result.

Every write is fenced by (take, run, PROCESSING). A render that lost its scene meanwhile (it was canceled, regenerated,
deleted, reported on, or taken over by another worker) changes nothing and stops.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import NamedTuple

from coordinator.bus.port import Bus
from coordinator.commands import scene_progress
from coordinator.commands.scene_progress import Fenced, TakenOver
from coordinator.renders import claims, lease
from coordinator.renders.claims import Claim
from coordinator.renders.provider_boundary import defects_as_failures, following, order_for
from coordinator.renders.take_files import TakeFiles
from coordinator.renders.workdirs import workdir
from coordinator.retrying import retry_until_available, until_set
from coordinator.storage.media import MediaStore
from coordinator.tasks import cancel, ignore_error
from models.db.cancellation import shield_to_completion
from models.domain.errors import Unavailable
from models.writes.change import Tick
from models.writes.store import Store
from providers.port import Failure, Order, Progress, Provider, Rendered

log = logging.getLogger(__name__)

# Minimum interval between two writes of progress.
TICK_SECONDS = 0.25
# How long an aborted render waits for the provider id of an order in flight, to cancel it.
SUBMIT_SECONDS = 30.0
# How long a write of the result is retried while the database is unavailable; then the ticket is handed out again.
GIVE_UP_AFTER_SECONDS = 30.0
# How long a provider may take to stop when the server stops.
ABANDON_SECONDS = 2.0
# How long an order in flight may take to be confirmed and recorded when the server stops.
CONFIRM_SECONDS = 2.0


class Limits(NamedTuple):
    """The deadline of a render, and its retries: the backoff doubles from first to last."""

    deadline_seconds: float = 1800.0
    first_backoff_seconds: float = 2.0
    last_backoff_seconds: float = 60.0

    # The attempts that each regenerate grants.
    max_attempts: int = 3

    def backoff_seconds(self, attempts_left: int) -> float:
        """Return the pause before the next attempt, given the number of attempts left."""
        failed_before = max(0, self.max_attempts - attempts_left - 1)
        return min(self.last_backoff_seconds, self.first_backoff_seconds * 2 ** min(failed_before, 16))


class RenderDeps(NamedTuple):
    """The dependencies of a render."""

    store: Store
    bus: Bus
    media: MediaStore
    providers: Mapping[str, Provider]
    limits: Limits
    # How long a worker keeps a render after its last heartbeat; zero when there is only one process.
    lease: timedelta = timedelta(0)


class Render:
    """A render in a task of its own, started at once."""

    def __init__(self, deps: RenderDeps, claim: Claim) -> None:
        self._deps = deps
        self._claim = claim
        self._files = TakeFiles(deps.media, claim)
        self._provider_id = claim.provider_id
        self._aborted = False
        # Whether the provider may have an order whose id is not recorded yet.
        self._unconfirmed = False
        self._confirmed = asyncio.Event()
        self._ticked_at = 0.0
        self._task = asyncio.create_task(self._run(), name=f"render {claim.scene_id}")
        self._task.add_done_callback(lambda _: self._confirmed.set())

    @property
    def take_number(self) -> int:
        """The number of the take in its scene."""
        return self._claim.take_number

    async def finished(self) -> None:
        """Wait for the end. Raises an error of the server, after which the ticket must be handed out again."""
        try:
            await asyncio.wait([self._task])
        except asyncio.CancelledError:
            await shield_to_completion(self._hand_over())
            raise
        if not self._task.cancelled():
            self._task.result()

    def abort(self) -> None:
        """Stop the render and cancel it at the provider. Idempotent."""
        if not self._aborted:
            self._aborted = True
            self._task.cancel()

    async def _hand_over(self) -> None:
        """Stop without canceling at the provider, and release the lease: another worker resumes the render at once.

        A provider that does not stop in time is left running. An order that may exist but is not recorded keeps its
        lease: the next worker must not look for it before the provider lists it, and buy it again.
        """
        if self._unconfirmed and not self._task.done():
            await until_set(self._confirmed, CONFIRM_SECONDS)
        self._task.cancel()
        _, late = await asyncio.wait([self._task], timeout=ABANDON_SECONDS)
        if late:
            log.warning("provider %s does not stop a render", self._claim.provider, extra={"action": "render.detached"})
            self._task.add_done_callback(ignore_error)
        if self._deps.lease and not self._unconfirmed:
            await lease.release(self._deps.store, self._claim)

    async def _run(self) -> None:
        deadline_seconds = self._deps.limits.deadline_seconds
        try:
            async with asyncio.timeout(deadline_seconds):
                await self._run_steps()
        except TakenOver:
            self._log("render taken over", "render.taken_over")
        except Fenced:
            self._log("render fenced off", "render.fenced")
            await self._cancel_at_provider()
        except Failure as failure:
            await self._record_failure(failure)
        except TimeoutError:
            timeout = Failure("TIMEOUT", f"No result within {deadline_seconds:g} seconds.", retryable=True)
            if await self._record_failure(timeout):
                await self._cancel_at_provider()
        except asyncio.CancelledError:
            if self._aborted:
                await self._cancel_at_provider()
            raise

    async def _run_steps(self) -> None:
        name = self._claim.provider
        provider = self._deps.providers.get(name)
        if provider is None:
            raise Failure("UNKNOWN_PROVIDER", f"This server has no provider {name}.", retryable=False)
        async with workdir() as folder, self._lease():
            order = order_for(self._claim, folder)
            provider_id = await self._submit(provider, order)
            rendered = await self._follow(provider, order, provider_id)
            await self._record_result(rendered)

    async def _submit(self, provider: Provider, order: Order) -> str:
        if self._provider_id is not None:
            return self._provider_id
        self._unconfirmed = True
        submitting = asyncio.ensure_future(provider.submit(order))
        try:
            with defects_as_failures(retryable=True):
                provider_id = await asyncio.shield(submitting)
        except asyncio.CancelledError:
            await self._interrupt_submit(submitting)
            raise
        self._provider_id = provider_id
        await self._write(lambda: claims.submitted(self._deps.store, self._claim, provider_id))
        self._unconfirmed = False
        self._confirmed.set()
        return provider_id

    async def _interrupt_submit(self, submitting: asyncio.Future[str]) -> None:
        """Cancel the submit; if aborted, wait for the provider id instead, by which the order can be canceled."""
        if self._aborted:
            with suppress(Exception):
                async with asyncio.timeout(SUBMIT_SECONDS):
                    self._provider_id = await submitting
        else:
            await cancel("an order", [submitting], ABANDON_SECONDS)

    async def _follow(self, provider: Provider, order: Order, provider_id: str) -> Rendered:
        async with following(provider, order, provider_id) as steps:
            while True:
                with defects_as_failures(retryable=False):
                    step = await anext(steps, None)
                match step:
                    case None:
                        raise Failure("NO_RESULT", "The provider ended without a result.", retryable=False)
                    case Rendered():
                        return step
                    case Progress():
                        await self._record_progress(step)

    async def _record_progress(self, progress: Progress) -> None:
        """Write progress and publish a tick, at most every TICK_SECONDS unless there is a new frame."""
        new_frame = await self._files.store_frame(progress.frame)
        if not new_frame and time.monotonic() - self._ticked_at < TICK_SECONDS:
            return
        self._ticked_at = time.monotonic()
        claim, frame = self._claim, self._files.frames or None
        percentage = None if progress.fraction is None else 100.0 * min(1.0, max(0.0, progress.fraction))
        try:
            async with self._deps.store.write() as connection:
                await scene_progress.advance(
                    connection, claim.scene_id, claim.take_number, claim.run, percentage=percentage, frame=frame
                )
        except Unavailable:
            # The next progress supersedes it.
            self._log("progress not written", "render.tick_lost")
            return
        except Fenced:
            await self._check_claim()
            raise
        self._deps.bus.publish(Tick(claim.job_id, claim.scene_id))

    async def _check_claim(self) -> None:
        """Raise Fenced, or TakenOver, when the claim no longer holds."""
        await self._write(lambda: claims.check(self._deps.store, self._claim))

    async def _record_result(self, rendered: Rendered) -> None:
        await self._check_claim()
        files = await self._files.store_result(rendered)
        await self._write(lambda: claims.completed(self._deps.store, self._claim, files))

    async def _record_failure(self, failure: Failure) -> bool:
        """Record the failure; returns whether the claim still held."""
        self._log(f"take failed: {failure.code}", "render.failed")
        backoff = self._deps.limits.backoff_seconds(self._claim.attempts_left)
        try:
            await self._write(lambda: claims.failed(self._deps.store, self._claim, failure, backoff_seconds=backoff))
        except Fenced:
            return False
        return True

    async def _write(self, call: Callable[[], Awaitable[None]]) -> None:
        await retry_until_available(call, give_up_after_seconds=GIVE_UP_AFTER_SECONDS)

    async def _cancel_at_provider(self) -> None:
        """Cancel the order at the provider, if it was submitted; an error is only logged."""
        provider = self._deps.providers.get(self._claim.provider)
        if provider is None or self._provider_id is None:
            return
        try:
            await provider.cancel(self._provider_id)
        except Exception:
            log.warning("not canceled at the provider", exc_info=True, extra={"action": "render.cancel_failed"})

    @asynccontextmanager
    async def _lease(self) -> AsyncGenerator[None]:
        """Hold the lease during the block, and stop the render when it is lost.

        Within this process a fenced render is aborted sooner, by the coordinator after the commit.
        """
        holding = asyncio.create_task(self._hold_lease())
        try:
            yield
        finally:
            await cancel("a lease", [holding])

    async def _hold_lease(self) -> None:
        try:
            await lease.hold(self._deps.store, self._claim, self._deps.lease)
        except TakenOver:
            self._log("render taken over", "render.taken_over")
            self._task.cancel()
        except Fenced:
            self._log("render fenced off", "render.fenced")
            self.abort()

    def _log(self, message: str, action: str) -> None:
        log.info("%s", message, extra={"action": action, "scene": self._claim.scene_id, "run": self._claim.run})
