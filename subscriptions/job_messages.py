"""The messages of a job's event stream, made from the feed and from the log."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

import strawberry

from coordinator.retrying import retry_until_available
from models.db.rows import EventRow, JobRow
from models.domain.errors import no_such_job
from models.domain.lifecycle import SETTLED_JOB, SceneStatus
from models.domain.progress import ProgressSnapshot
from models.reads import queries
from schema.context import Context
from schema.enums import SnapshotReason
from schema.feed import JobSnapshot, SceneProgress
from schema.media import live_frame
from schema.progress import job_progress
from schema.types import JobEvent, as_job, as_scene
from subscriptions.feed import Feed, Lagged, Running
from subscriptions.progress_guard import ProgressGuard
from subscriptions.reads import read_when_available
from subscriptions.selection import SelectedMessages

EVENTS_A_PAGE = 200

Message = JobSnapshot | JobEvent | SceneProgress


class JobMessages:
    """Makes the messages of one stream. `_position` is the version up to which everything was sent."""

    def __init__(
        self, context: Context, job_id: str, position: int, *, until_settled: bool = False, selected: SelectedMessages
    ) -> None:
        self._context = context
        self._job_id = job_id
        self._position = position
        self._until_settled = until_settled
        self._feed = Feed(context.buffered_events)
        self._guard = ProgressGuard()
        self._selected = selected

    def _caught_up(self) -> bool:
        """Return whether the feed continues after the sent events without a gap."""
        return self._feed.catch_up(self._position)

    async def _catch_up(self) -> AsyncGenerator[Message]:
        """Send the state or the missed events, up to where the feed continues without a gap."""
        async with self._context.making_message():
            job = await read_when_available(self._context, self._read_job)
            if self._position < 0:
                yield self._snapshot_of(job, SnapshotReason.INITIAL)
            elif self._position > job.version:
                yield self._snapshot_of(job, SnapshotReason.LOG_TRUNCATED)
        while True:
            events = await retry_until_available(self._page)
            # The job was read before the log. Without events, the log ends at the job's version or was pruned.
            contiguous = events[0].version == self._position + 1 if events else self._position >= job.version
            if not contiguous:
                async with self._context.making_message():
                    job = await read_when_available(self._context, self._read_job)
                    yield self._snapshot_of(job, SnapshotReason.LOG_TRUNCATED)
                continue
            async with aclosing(self._missed(events)) as messages:
                async for message in messages:
                    yield message
            if len(events) < EVENTS_A_PAGE and self._caught_up():
                return

    async def _missed(self, events: Sequence[EventRow]) -> AsyncGenerator[Message]:
        """Send a page of the log. Its rows are read after it, so no event is sent with an older row."""
        unsent = deque(events)
        while unsent:
            async with self._context.making_message():
                for event in self._context.snapshot.series(tuple(unsent)):
                    unsent.popleft()
                    self._position = event.version
                    yield cast("JobEvent", event)

    async def _message(self, received: EventRow | Running | Lagged) -> Message | None:
        """Return the message for an update; None when it is not sent, and for Lagged when the job is gone."""
        match received:
            case EventRow() as event if event.version > self._position:
                self._position = event.version
                return cast("JobEvent", event)
            case EventRow():
                return None
            case Running():
                running = self._guard.clamp(received)
                if running is not None and (self._selected.relations_of_scenes or self._is_stale(received, running)):
                    running = await read_when_available(self._context, lambda: self._reread(received))
                return None if running is None else self._scene_progress(running)
            case Lagged():
                snapshot = await read_when_available(self._context, lambda: self._snapshot(SnapshotReason.LAGGED))
                if snapshot is not None:
                    self._feed.forget(snapshot.version)
                return snapshot

    async def _page(self) -> list[EventRow]:
        async with self._context.store.read() as connection:
            return await queries.events_after(connection, self._job_id, self._position, EVENTS_A_PAGE)

    async def _read_job(self) -> JobRow:
        job = await self._context.loaders.job.load(self._job_id)
        if job is None:
            raise no_such_job(["jobId"], self._job_id)
        return job

    async def _snapshot(self, reason: SnapshotReason) -> JobSnapshot | None:
        job = await self._context.loaders.job.load(self._job_id)
        return None if job is None else self._snapshot_of(job, reason)

    def _snapshot_of(self, job: JobRow, reason: SnapshotReason) -> JobSnapshot:
        self._position = job.version
        return JobSnapshot(reason=reason, version=job.version, job=as_job(job))

    async def _finished(self) -> bool:
        """Whether the stream ends when the job settles, the job has settled, and everything before that was sent."""
        if not self._until_settled or not self._feed.empty:
            return False
        latest: ProgressSnapshot | JobRow = self._feed.latest or await retry_until_available(self._read_job)
        return latest.status in SETTLED_JOB and self._position >= latest.version

    def _is_stale(self, received: Running, clamped: Running) -> bool:
        """Return whether a later version of the job was sent: the two together would be a state that never was."""
        return received.snapshot.version < max(self._position, clamped.snapshot.version)

    async def _reread(self, received: Running) -> Running | None:
        """Return the scene and its job's progress as of the message's other reads; None when the take is over."""
        loaders, before = self._context.loaders, received.scene
        scene, snapshot = await asyncio.gather(loaders.scene.load(before.id), loaders.snapshot.load(self._job_id))
        if scene is None or snapshot is None or scene.status is not SceneStatus.PROCESSING:
            return None
        return Running(scene, snapshot) if scene.take_number == before.take_number else None

    def _scene_progress(self, running: Running) -> SceneProgress:
        scene = running.scene
        preview = None if scene.frame is None else live_frame(self._context, scene.take_id, scene.frame)
        return SceneProgress(
            job_id=strawberry.ID(self._job_id),
            scene_id=strawberry.ID(scene.id),
            take_number=scene.take_number,
            percentage=scene.percentage,
            preview=preview,
            scene=as_scene(scene),
            progress=job_progress(running.snapshot),
        )
