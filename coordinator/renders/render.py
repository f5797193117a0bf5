"""One render and its steps: submit, follow, look at the clip, store the files, record the result.

Every write is fenced by (take, run, PROCESSING). A render that lost its scene meanwhile (it was canceled, regenerated,
deleted, reported on, or taken over by another worker) changes nothing and stops.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from coordinator.assets.clips import clip_of
from coordinator.commands import scene_progress
from coordinator.commands.scene_progress import Fenced, TakenOver
from coordinator.renders import claims, duplicate_orders, lease
from coordinator.renders.claim import Claim, check
from coordinator.renders.deps import RenderDeps
from coordinator.renders.inspections import KeptClip
from coordinator.renders.limits import OutOfTime
from coordinator.renders.made import made_columns
from coordinator.renders.provider_boundary import defects_as_failures, following, order_for
from coordinator.renders.render_span import RenderSpan
from coordinator.renders.take_files import TakeFiles
from coordinator.retrying import retry_until_available, until_set
from coordinator.tasks import cancel, ignore_error
from coordinator.workdirs import workdir
from models.db.cancellation import shield_to_completion
from models.domain.access import LEASED
from models.domain.errors import Unavailable
from models.writes.change import Tick
from providers.port import Failure, InputFile, Order, Progress, Provider, Rendered

log = logging.getLogger(__name__)

# Minimum interval between two writes of progress.
TICK_SECONDS = 0.25
# How long a render that is aborted or taken over waits for the provider id of an order in flight, to cancel it.
SUBMIT_SECONDS = 30.0
# How long a write of the result is retried while the database is unavailable; then the ticket is handed out again.
GIVE_UP_AFTER_SECONDS = 30.0
# When the server stops: how long a provider may take to stop, and an order in flight to be confirmed and recorded.
ABANDON_SECONDS = 2.0
CONFIRM_SECONDS = 2.0


class Render:
    """A render in a task of its own, started at once."""

    def __init__(self, deps: RenderDeps, claim: Claim) -> None:
        self._deps = deps
        self._claim = claim
        self._files = TakeFiles(deps.media, claim)
        self._provider_id = claim.provider_id
        self._aborted = False
        # Whether another worker has the take.
        self._taken_over = False
        # Whether the provider may have an order whose id is not recorded yet.
        self._unconfirmed = False
        self._confirmed = asyncio.Event()
        self._ticked_at = 0.0
        self._span = RenderSpan(deps.telemetry, claim)
        self._task = asyncio.create_task(self._run(), name=f"render {claim.scene_id}")
        self._task.add_done_callback(lambda _: self._confirmed.set())

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
        with self._span.reported():
            await self._run_to_end()

    async def _run_to_end(self) -> None:
        try:
            await self._run_steps()
        except TakenOver:
            self._note_taken_over()
            await self._cancel_duplicate()
        except Fenced:
            self._log("render fenced off", "render.fenced")
            await self._cancel_at_provider()
        except OutOfTime as failure:
            if await self._record_failure(failure):
                await self._cancel_at_provider()
        except Failure as failure:
            await self._record_failure(failure)
        except asyncio.CancelledError:
            if self._aborted:
                await self._cancel_at_provider()
            elif self._taken_over:
                await self._cancel_duplicate()
            raise

    async def _run_steps(self) -> None:
        async with workdir() as folder, self._lease():
            rendered = await self._rendered(folder)
            # Without the deadline: a clip that exists is not given up because the time of its provider is over.
            await self._record_result(rendered, folder)

    async def _rendered(self, folder: Path) -> Rendered:
        """Return the clip of the provider, or the one that a worker outside the server has made."""
        if self._claim.refused is not None:
            raise self._claim.refused
        if self._claim.source_url is not None:
            return await self._deps.adoptions.fetch(self._claim.source_url, folder)
        if self._claim.source_asset is not None:
            limits = self._deps.adoptions.limits
            return await clip_of(self._deps.store, self._deps.media, self._claim.source_asset, folder, limits)
        deliveries = self._deps.deliveries
        if self._claim.provider == LEASED and deliveries is not None:
            return await deliveries.fetch(self._claim.take_id, folder)
        name = self._claim.provider
        provider = self._deps.providers.get(name)
        if provider is None:
            raise Failure("UNKNOWN_PROVIDER", f"This server has no provider {name}.", retryable=False)
        return await self._render(provider, order_for(self._claim, folder, await self._inputs(folder)))

    async def _inputs(self, folder: Path) -> Sequence[InputFile]:
        files, claim = self._deps.input_files, self._claim
        return () if files is None else await files.of(claim.inputs, folder, ordered=not claim.fresh)

    async def _render(self, provider: Provider, order: Order) -> Rendered:
        """Return the provider's result. Raises OutOfTime after the deadline."""
        deadline_seconds = self._deps.limits.deadline_seconds
        try:
            async with asyncio.timeout(deadline_seconds):
                provider_id = await self._submit(provider, order)
                return await self._follow(provider, order, provider_id)
        except TimeoutError as error:
            raise OutOfTime(deadline_seconds) from error

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
        """Cancel the submit; if the order is not needed, wait for its provider id, by which it can be canceled."""
        if self._aborted or self._taken_over:
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
            await self._write(lambda: check(self._deps.store, self._claim))
            raise
        self._deps.bus.publish(Tick(claim.job_id, claim.scene_id))

    async def _record_result(self, rendered: Rendered, folder: Path) -> None:
        await self._write(lambda: check(self._deps.store, self._claim))
        files = await self._files.take_in(self._deps.inspections, rendered, folder, self._claim.duration_seconds)
        if self._claim.source_url is not None:
            # By which a repeated report is recognised.
            files["output"]["source_url"] = self._claim.source_url
        columns = files | made_columns(self._claim, rendered.made, self._deps.providers.get(self._claim.provider))
        await self._write(lambda: claims.completed(self._deps.store, self._claim, columns))
        if self._claim.provider == LEASED and self._deps.deliveries is not None:
            await self._deps.deliveries.done(self._claim.take_id)

    async def _record_failure(self, failure: Failure) -> bool:
        """Record the failure; returns whether the claim still held."""
        self._span.error = failure.code
        backoff = self._deps.limits.backoff_seconds(self._claim.attempts_left)
        files = failure.files if isinstance(failure, KeptClip) else {}
        if self._claim.source_url is not None:
            # Not the address, at which there is no clip that can be shown.
            files = {"output": None, **files}
        try:
            await self._write(
                lambda: claims.failed(self._deps.store, self._claim, failure, backoff_seconds=backoff, files=files)
            )
        except Fenced:
            return False
        return True

    async def _write(self, call: Callable[[], Awaitable[None]]) -> None:
        await retry_until_available(call, give_up_after_seconds=GIVE_UP_AFTER_SECONDS)

    async def _cancel_duplicate(self) -> None:
        """Cancel an order of this render that is not recorded, unless the worker that has the take uses it as well."""
        if not self._unconfirmed or self._provider_id is None:
            return
        if await duplicate_orders.is_duplicate(self._deps.store, self._claim, self._provider_id):
            self._log("second order canceled", "render.duplicate")
            await self._cancel_at_provider()

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
            self._note_taken_over()
            self._taken_over = True
            self._task.cancel()
        except Fenced:
            self._log("render fenced off", "render.fenced")
            self.abort()

    def _note_taken_over(self) -> None:
        self._log("render taken over", "render.taken_over")
        self._deps.telemetry.taken_over(self._claim.provider)

    def _log(self, message: str, action: str) -> None:
        log.info("%s", message, extra={"action": action, "scene": self._claim.scene_id, "run": self._claim.run})
