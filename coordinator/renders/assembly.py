"""Assembly: a job's clips are fetched, joined to one video in a child process, stored, and recorded.

Fenced by the composition version: a video of an older composition is not recorded, and its file is deleted later.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from coordinator.queue.port import Snooze
from coordinator.storage.keys import composition_key
from coordinator.storage.media import MediaStore
from coordinator.storage.media_errors import reason_of
from coordinator.tasks import cancel
from coordinator.telemetry.port import NO_TELEMETRY, Telemetry
from coordinator.workdirs import workdir
from models.db import clock
from models.db.cancellation import raise_if_cancelled
from models.domain.access import SYSTEM
from models.domain.errors import InvalidState, NotFound, Unavailable
from models.domain.events import EventType
from models.domain.failures import failure_json
from models.reads import queries
from models.writes import composition, media_gc
from models.writes.change import Assembly, Change, Work
from models.writes.composition import StoredClip
from models.writes.store import Store
from providers.joining.joiner import JoinedVideo, TooCostly
from providers.joining.wire import Adjustment, Clip
from providers.port import Failure

log = logging.getLogger(__name__)

T = TypeVar("T")

# Re-encoding several hours of clips with different codec parameters takes about an hour.
DEADLINE_SECONDS = media_gc.LONGEST_AHEAD.total_seconds()
# How often the composition version is checked while joining.
FENCE_SECONDS = 0.5
# How long joining, or a transfer to or from the media storage, may take to stop.
STOP_SECONDS = 3.0
# Attempts at a retryable failure, with exponential backoff: about two minutes in all.
ATTEMPTS = 5
BACKOFF_FACTOR = 4
LAST_BACKOFF_SECONDS = 60.0
# Size of the tables of failed attempts and of long joins in memory; the oldest entries are evicted.
MAX_REMEMBERED = 10_000

# What joins that other joins wait for may cost: CPU seconds, as they are planned, and bytes of clips to fetch.
SHORT_CPU_SECONDS = 20.0
SHORT_BYTES = 1 << 30
# A join that has not ended by then waits on storage or for the cores: others go on.
SHORT_DEADLINE_SECONDS = 900.0

Json = dict[str, Any]
Join = Callable[[Sequence[Clip], Path, float], Awaitable[JoinedVideo]]
Enqueue = Callable[[Sequence[Work]], Awaitable[None]]


class Outdated(Exception):
    """The composition has changed, or its video is already recorded."""


class Assemblies:
    """Handles assemblies, and counts the failed attempts at each. Those that take long are enqueued apart."""

    def __init__(
        self,
        store: Store,
        media: MediaStore,
        join: Join,
        first_backoff_seconds: float,
        enqueue: Enqueue,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self._store = store
        self._media = media
        self.join = join
        self._first_backoff_seconds = first_backoff_seconds
        self._enqueue = enqueue
        self._telemetry = telemetry
        self._failed: dict[str, int] = {}
        self._running: set[str] = set()
        # The compositions that were found to take long, as keys in the order of their discovery.
        self._long: dict[str, None] = {}

    async def handle(self, assembly: Assembly) -> None:
        """Make and record the video, unless the assembly is outdated. Raises Snooze to be called again later."""
        if assembly.composition in self._running:
            # A queue that missed heartbeats hands out a running assembly again, and the reconciler knows no long ones.
            raise Snooze(LAST_BACKOFF_SECONDS)
        if not assembly.long and assembly.composition in self._long:
            await self._enqueue_as_long(assembly)
            return
        try:
            await self._attempt(assembly)
        except TooCostly as error:
            log.info("assembly takes long: %s", error, extra={"action": "assembly.long", "job": assembly.job_id})
            # Not before it has ended here: it may be handed out at once.
            await self._enqueue_as_long(assembly)
        self._failed.pop(assembly.composition, None)

    async def _attempt(self, assembly: Assembly) -> None:
        self._running.add(assembly.composition)
        outcome, started_at = "interrupted", time.monotonic()
        try:
            await self._assemble(assembly)
            outcome = "done"
        except Outdated:
            outcome = "outdated"
            log.info("assembly is outdated", extra={"action": "assembly.outdated", "job": assembly.job_id})
        except TooCostly:
            outcome = "long"
            raise
        except Failure as failure:
            outcome = "failed"
            log.info("assembly failed: %s", failure.code, extra={"action": "assembly.failed", "job": assembly.job_id})
            self._snooze_if_retryable(assembly, failure)
            await self._record_failure(assembly, failure)
        finally:
            self._running.discard(assembly.composition)
            self._telemetry.joined(outcome, time.monotonic() - started_at)

    async def _enqueue_as_long(self, assembly: Assembly) -> None:
        """Let the assembly wait for others that take long, and for no longer."""
        _remember(self._long, assembly.composition, None)
        await self._enqueue([assembly._replace(long=True, delay_seconds=0.0)])

    async def _assemble(self, assembly: Assembly) -> None:
        await self._check(assembly)
        async with workdir() as folder:
            output = await self._while_current(assembly, self._produce(assembly, folder))
        async with self._change(assembly) as change:
            await media_gc.unmark(await change.connection(), [output["key"]])
            change.set_job(output=output)
            change.record(EventType.JOB_UPDATED, changed=["output"])

    async def _produce(self, assembly: Assembly, folder: Path) -> Json:
        stored = await self._stored_clips(assembly)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS if assembly.long else SHORT_DEADLINE_SECONDS):
                clips = await self._fetch(stored, folder)
                joined = await self.join(clips, folder, math.inf if assembly.long else SHORT_CPU_SECONDS)
                done = [_adjustment(each, stored) for each in joined.adjustments]
                return await self._store_video(assembly, joined) | {"adjustments": done}
        except TimeoutError as error:
            if not assembly.long:
                raise TooCostly(f"{SHORT_DEADLINE_SECONDS:g} seconds are over") from error
            message = f"The clips were not joined within {DEADLINE_SECONDS:g} seconds."
            raise Failure("JOIN_TIMEOUT", message, retryable=False) from error

    async def _stored_clips(self, assembly: Assembly) -> list[StoredClip]:
        async with self._store.read() as connection:
            stored = await composition.clips(connection, assembly.job_id)
        if not assembly.long and sum(each.size_bytes for each in stored) > SHORT_BYTES:
            raise TooCostly("the clips are large")
        return stored

    async def _fetch(self, stored: Sequence[StoredClip], folder: Path) -> list[Clip]:
        clips: list[Clip] = []
        for number, each in enumerate(stored, start=1):
            if each.output is None or "key" not in each.output:
                # Only in jobs completed before videos were joined; newer ones are checked before they are enqueued.
                raise Failure("NO_CLIP", f"The clip of scene {number} is not kept by this server.", retryable=False)
            path = await self._fetch_one(number, each.output["key"], folder)
            clips.append(Clip(str(path), each.output["content_type"], each.longest_asked_seconds))
        return clips

    async def _fetch_one(self, number: int, key: str, folder: Path) -> Path:
        try:
            return await self._media.fetch(key, folder / f"{number}.{key.rpartition('.')[2]}")
        except FileNotFoundError as error:
            message = f"The clip of scene {number} is not in the media storage."
            raise Failure("CLIP_MISSING", message, retryable=True) from error
        except Exception as error:
            raise _storage_failure("The clips could not be fetched.", error) from error

    async def _store_video(self, assembly: Assembly, joined: JoinedVideo) -> Json:
        """Store the video, marked for garbage collection until it is recorded: a crash leaves no file behind."""
        key = composition_key(assembly.job_id, assembly.composition_version)
        try:
            async with self._store.write() as connection:
                after_deadline = await clock.current(connection) + timedelta(seconds=DEADLINE_SECONDS)
                await media_gc.mark(connection, [f"{key}.mp4"], after_deadline)
            return await self._media.store(key, joined)
        except Unavailable:
            raise
        except Exception as error:
            raise _storage_failure("The video could not be stored.", error) from error

    def _snooze_if_retryable(self, assembly: Assembly, failure: Failure) -> None:
        """Raise Snooze when another attempt may succeed."""
        failed = self._failed.pop(assembly.composition, 0) + 1
        if failure.retryable and failed < ATTEMPTS:
            _remember(self._failed, assembly.composition, failed)
            backoff = self._first_backoff_seconds * BACKOFF_FACTOR ** (failed - 1)
            raise Snooze(min(LAST_BACKOFF_SECONDS, backoff)) from failure

    async def _record_failure(self, assembly: Assembly, failure: Failure) -> None:
        try:
            async with self._change(assembly) as change:
                stored = failure_json(failure.code, failure.message, retryable=failure.retryable, at=change.now)
                change.set_job(output_failure=stored)
                change.record(EventType.JOB_UPDATED, changed=["outputFailure"])
        except Outdated:
            log.info("assembly is outdated", extra={"action": "assembly.outdated", "job": assembly.job_id})

    @asynccontextmanager
    async def _change(self, assembly: Assembly) -> AsyncGenerator[Change]:
        """A change of the job, if it still awaits this video. Raises Outdated."""
        try:
            async with self._store.change(assembly.job_id, SYSTEM) as change:
                if not change.job.awaiting_assembly or change.job.composition_version != assembly.composition_version:
                    raise Outdated
                yield change
        except (NotFound, InvalidState) as error:
            raise Outdated from error

    async def _while_current(self, assembly: Assembly, work: Coroutine[Any, Any, Json]) -> Json:
        """Do the work, and stop it soon after the composition has changed. Raises Outdated then."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=FENCE_SECONDS)
                try:
                    await self._check(assembly)
                except Unavailable as error:
                    raise_if_cancelled(error)
            return task.result()
        finally:
            await cancel("an assembly", [task], STOP_SECONDS)

    async def _check(self, assembly: Assembly) -> None:
        async with self._store.read() as connection:
            job = await queries.one(queries.jobs_by_id, connection, SYSTEM, assembly.job_id)
        if job is None or not job.awaiting_assembly or job.composition_version != assembly.composition_version:
            raise Outdated


def _adjustment(done: Adjustment, stored: Sequence[StoredClip]) -> Json:
    """Return the stored form of what was done to clips."""
    scene_ids = [stored[number - 1].scene_id for number in done.clips]
    return {"code": done.code, "scene_ids": scene_ids, "message": done.message}


def _remember(table: dict[str, T], key: str, value: T) -> None:
    """Add to a table of at most MAX_REMEMBERED entries."""
    table[key] = value
    while len(table) > MAX_REMEMBERED:
        del table[next(iter(table))]


def _storage_failure(message: str, error: Exception) -> Failure:
    log.error("%s %s", message, reason_of(error), extra={"action": "assembly.storage"})
    return Failure("STORAGE", message, retryable=True)
