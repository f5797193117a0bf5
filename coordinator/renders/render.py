"""One render, a value that walks its steps: submit, follow, keep, record.

Every write is fenced by (take, run, PROCESSING): whoever lost the scene meanwhile (to a cancel, a regenerate, a
delete, a report or another worker) changes nothing and stops.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from coordinator.bus.port import Bus
from coordinator.commands import scene_progress
from coordinator.commands.scene_progress import Fenced, TakenOver
from coordinator.renders import claims
from coordinator.renders.claims import Claim
from coordinator.renders.workdirs import workdir
from coordinator.storage.media import MediaStore, live_frame_key, take_key
from models.domain.errors import Unavailable
from models.writes.change import Tick
from models.writes.store import Store
from providers.port import MOST_PICTURE_BYTES, Asset, Failure, Order, Progress, Provider, Rendered

log = logging.getLogger(__name__)

# Fractions are written at most this often, frames kept at most this often, and the fence is looked at this often.
TICK_SECONDS = 0.25
FRAME_SECONDS = 0.9
FENCE_SECONDS = 0.5
BEATS_A_LEASE = 6
# The answer to an order that was canceled meanwhile is waited for so long.
SUBMIT_SECONDS = 30.0
# A result is offered for this long to a database that does not answer; then the ticket is seen again.
PATIENCE_SECONDS = 30.0
# A clip is offered for this long to a store that does not take it: an operator has to make room.
STORE_SECONDS = 120.0
# A provider gets this long to let go of a render when the server stops.
ABANDON_SECONDS = 3.0

T = TypeVar("T")

_UNEXPECTED = "The provider failed unexpectedly."


class Limits(NamedTuple):
    """How long a render may take, and how its retries are spaced: the backoff doubles from first to last."""

    deadline_seconds: float = 1800.0
    first_backoff_seconds: float = 2.0
    last_backoff_seconds: float = 60.0

    # How many attempts each regenerate grants.
    max_attempts: int = 3

    def backoff_seconds(self, attempts_left: int) -> float:
        """How long to wait before the next attempt, when so many are left of those granted."""
        failed_before = max(0, self.max_attempts - attempts_left - 1)
        return min(self.last_backoff_seconds, self.first_backoff_seconds * 2 ** min(failed_before, 16))


class RenderDeps(NamedTuple):
    """What a render works with."""

    store: Store
    bus: Bus
    media: MediaStore
    providers: Mapping[str, Provider]
    limits: Limits
    # How long a worker that is not heard of keeps what it renders; nothing where there is only one process.
    lease: timedelta = timedelta(0)


class Render:
    """Starts at once, in a task of its own."""

    def __init__(self, tools: RenderDeps, claim: Claim) -> None:
        self._tools = tools
        self._claim = claim
        self._provider_id = claim.provider_id
        self._unwanted = False
        self._ticked_at = 0.0
        self._framed_at = 0.0
        self._frames = 0
        self._left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name=f"render {claim.scene_id}")

    @property
    def take_number(self) -> int:
        """Which take of the scene it renders."""
        return self._claim.take_number

    async def finished(self) -> None:
        """Wait for the end; raises what went wrong on our side, so that the ticket is seen again."""
        try:
            await asyncio.wait([self._task, self._left], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self.abandon()
        if self._task.done() and not self._task.cancelled():
            self._task.result()

    def abort(self) -> None:
        """Nobody wants the clip any more: stop, and tell the provider. Said again, it changes nothing."""
        if not self._unwanted:
            self._unwanted = True
            self._task.cancel()

    async def abandon(self) -> None:
        """Stop here and now; somebody else will take it up. A provider that does not let go is left behind."""
        if self._task.done() or self._left.done():
            return
        self._task.cancel()
        _, late = await asyncio.wait([self._task], timeout=ABANDON_SECONDS)
        if late and not self._left.done():
            self._left.set_result(None)
            log.warning("%s does not let go of a render", self._claim.provider, extra={"action": "render.left"})

    async def _run(self) -> None:
        limits = self._tools.limits
        try:
            async with asyncio.timeout(limits.deadline_seconds):
                await self._walk()
        except TakenOver:
            self._note("render taken over", "render.taken_over")
        except Fenced:
            self._note("render fenced off", "render.fenced")
            await self._tell_canceled()
        except Failure as failure:
            await self._fail(failure)
        except TimeoutError:
            seconds = limits.deadline_seconds
            if await self._fail(Failure("TIMEOUT", f"No result within {seconds:g} seconds.", retryable=True)):
                await self._tell_canceled()
        except asyncio.CancelledError:
            if self._unwanted:
                await self._tell_canceled()
            raise

    async def _walk(self) -> None:
        name = self._claim.provider
        provider = self._tools.providers.get(name)
        if provider is None:
            raise Failure("UNKNOWN_PROVIDER", f"This server has no provider {name}.", retryable=False)
        async with workdir() as folder, self._fence():
            order = _order(self._claim, folder)
            provider_id = await self._submit(provider, order)
            rendered = await self._follow(provider, order, provider_id)
            await self._record(rendered)

    async def _submit(self, provider: Provider, order: Order) -> str:
        if self._provider_id is not None:
            return self._provider_id
        submitting = asyncio.ensure_future(provider.submit(order))
        try:
            with _defects_as_failures(retryable=True):
                provider_id = await asyncio.shield(submitting)
        except asyncio.CancelledError:
            await self._leave(submitting)
            raise
        self._provider_id = provider_id
        await retry_until_available(lambda: claims.submitted(self._tools.store, self._claim, provider_id))
        return provider_id

    async def _leave(self, submitting: asyncio.Future[str]) -> None:
        """What is just being bought and no longer wanted gets its id, by which it can be canceled."""
        if self._unwanted:
            with suppress(Exception):
                async with asyncio.timeout(SUBMIT_SECONDS):
                    self._provider_id = await submitting
        elif not submitting.done():
            submitting.cancel()
            await asyncio.wait([submitting])

    async def _follow(self, provider: Provider, order: Order, provider_id: str) -> Rendered:
        async with _following(provider, order, provider_id) as steps:
            while True:
                with _defects_as_failures(retryable=False):
                    step = await anext(steps, None)
                match step:
                    case None:
                        raise Failure("NO_RESULT", "The provider ended without a result.", retryable=False)
                    case Rendered():
                        return step
                    case Progress():
                        await self._advance(step)

    async def _advance(self, progress: Progress) -> None:
        """Write and tell how far it is, unless that was just done: what is skipped is overtaken by the next."""
        frame_kept = await self._keep_frame(progress.frame)
        if not frame_kept and time.monotonic() - self._ticked_at < TICK_SECONDS:
            return
        self._ticked_at = time.monotonic()
        claim, frame = self._claim, self._frames or None
        percentage = None if progress.fraction is None else 100.0 * min(1.0, max(0.0, progress.fraction))
        try:
            async with self._tools.store.write() as connection:
                await scene_progress.advance(
                    connection, claim.scene_id, claim.take_number, claim.run, percentage=percentage, frame=frame
                )
        except Unavailable:
            self._note("progress not written", "render.tick_lost")
            return
        except Fenced:
            await self._check()
            raise
        self._tools.bus.publish(Tick(claim.job_id, claim.scene_id))

    async def _keep_frame(self, frame: bytes | None) -> bool:
        if frame is None or len(frame) > MOST_PICTURE_BYTES or time.monotonic() - self._framed_at < FRAME_SECONDS:
            return False
        self._framed_at = time.monotonic()
        try:
            await self._tools.media.put(live_frame_key(self._claim.take_id), frame)
        except Exception:
            self._note("frame not kept", "render.frame_lost")
            return False
        self._frames += 1
        return True

    async def _check(self) -> None:
        """Raise Fenced, or TakenOver, when the scene is no longer ours."""
        await retry_until_available(lambda: claims.check(self._tools.store, self._claim))

    async def _record(self, rendered: Rendered) -> None:
        await self._check()
        files = {"output": await self._keep("", rendered.clip)}
        for name, picture in (("poster", rendered.poster), ("preview", rendered.preview)):
            if picture is not None and await self._is_small(picture):
                files[name] = await self._keep(f".{name}", picture)
        await retry_until_available(lambda: claims.completed(self._tools.store, self._claim, files))

    async def _is_small(self, picture: Asset) -> bool:
        try:
            size = (await asyncio.to_thread(picture.path.stat)).st_size
        except OSError:
            # Keeping it will tell what is wrong.
            return True
        if size > MOST_PICTURE_BYTES:
            self._note(f"{picture.path.name} of {size} bytes is left out", "render.large_picture")
        return size <= MOST_PICTURE_BYTES

    async def _keep(self, suffix: str, asset: Asset) -> dict[str, Any]:
        """Store a file of the take, if need be when there is room again: it was paid for."""
        claim = self._claim
        key = take_key(claim.job_id, claim.scene_id, claim.take_id) + suffix
        try:
            return await retry_until_available(lambda: self._tools.media.keep(key, asset), Exception, STORE_SECONDS)
        except Exception as error:
            raise _defect("STORAGE", "The clip could not be stored.", error, retryable=False) from error

    async def _fail(self, failure: Failure) -> bool:
        """Record the failure; whether the scene was still ours."""
        self._note(f"take failed: {failure.code}", "render.failed")
        backoff = self._tools.limits.backoff_seconds(self._claim.attempts_left)
        try:
            await retry_until_available(
                lambda: claims.failed(self._tools.store, self._claim, failure, backoff_seconds=backoff)
            )
        except Fenced:
            return False
        return True

    async def _tell_canceled(self) -> None:
        """Tell the provider that nobody wants what it was asked for."""
        provider = self._tools.providers.get(self._claim.provider)
        if provider is None or self._provider_id is None:
            return
        try:
            await provider.cancel(self._provider_id)
        except Exception:
            log.warning("the provider could not be told of a cancel", exc_info=True, extra={"action": "render.cancel"})

    @asynccontextmanager
    async def _fence(self) -> AsyncGenerator[None]:
        """Abort the render soon after another process fenced it off; within this process that is told directly."""

        async def watch() -> None:
            beat_at = time.monotonic()
            while True:
                await asyncio.sleep(FENCE_SECONDS)
                lease = self._tools.lease.total_seconds()
                try:
                    if lease and time.monotonic() - beat_at >= lease / BEATS_A_LEASE:
                        await claims.heartbeat(self._tools.store, self._claim, self._tools.lease)
                        beat_at = time.monotonic()
                    else:
                        await claims.check(self._tools.store, self._claim)
                except TakenOver:
                    self._note("render taken over", "render.taken_over")
                    self._task.cancel()
                    return
                except Fenced:
                    self._note("render fenced off", "render.fenced")
                    self.abort()
                    return
                except Unavailable:
                    continue

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    def _note(self, message: str, action: str) -> None:
        log.info("%s", message, extra={"action": action, "scene": self._claim.scene_id, "run": self._claim.run})


def _order(claim: Claim, folder: Path) -> Order:
    return Order(
        key=claim.take_id,
        number=claim.take_number,
        prompt=claim.prompt,
        title=claim.title,
        duration_seconds=claim.duration_seconds,
        metadata=claim.metadata,
        workdir=folder,
    )


@asynccontextmanager
async def _following(
    provider: Provider, order: Order, provider_id: str
) -> AsyncGenerator[AsyncGenerator[Progress | Rendered]]:
    """What the provider yields. Whatever goes wrong in closing it, the clip or failure that is there already counts."""
    with _defects_as_failures(retryable=False):
        steps = provider.follow(order, provider_id)
    try:
        yield steps
    finally:
        try:
            # It stops what runs on this machine.
            await steps.aclose()
        except Exception as error:
            _report(_UNEXPECTED, error)


@contextmanager
def _defects_as_failures(*, retryable: bool) -> Generator[None]:
    """What a provider raises beside Failure is a defect: logged once with an id, told to the user without details.

    Once it has accepted an order, only the provider itself can know that another attempt is not paid for again.
    """
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        raise _defect("PROVIDER_ERROR", _UNEXPECTED, error, retryable=retryable) from error


def _defect(code: str, message: str, error: Exception, *, retryable: bool) -> Failure:
    return Failure(code, f"{message} ({_report(message, error)})", retryable=retryable)


def _report(message: str, error: Exception) -> str:
    error_id = uuid.uuid4().hex[:12]
    log.error("%s (%s)", message, error_id, exc_info=error, extra={"action": "render.defect", "id": error_id})
    return error_id


async def retry_until_available(
    write: Callable[[], Awaitable[T]], passing: type[Exception] = Unavailable, patience: float = PATIENCE_SECONDS
) -> T:
    """Write a result even if that fails for a while. Raises Fenced, or the last error after `patience` seconds."""
    give_up_at = time.monotonic() + patience
    pause = 0.1
    while True:
        try:
            return await write()
        except passing:
            if time.monotonic() + pause > give_up_at:
                raise
            await asyncio.sleep(pause)
            pause = min(2.0, pause * 2)
