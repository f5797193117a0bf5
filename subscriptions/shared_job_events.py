"""jobEvents for all subscribers that select the same fields with the same rights."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import cast

from models.db.rows import EventRow
from models.domain.errors import NotFound, no_such_job
from models.reads import queries
from schema.context import Context
from schema.enums import SnapshotReason
from schema.feed import JobSnapshot, SceneProgress
from schema.types import JobEvent, as_job
from subscriptions.feed import Inaccessible, Lagged, Running
from subscriptions.job_messages import JobMessages, Message
from subscriptions.reads import read_when_available
from subscriptions.selection import SelectedMessages
from subscriptions.shared import END, SharedValue


class SharedJobEvents(JobMessages):
    """The live updates of one job, and its state for members that join. Its position is the version made last."""

    def __init__(self, context: Context, job_id: str, *, until_settled: bool, selected: SelectedMessages) -> None:
        super().__init__(context, job_id, -1, until_settled=until_settled, selected=selected)
        self._updates_read = 0

    @asynccontextmanager
    async def joined(self) -> AsyncGenerator[int]:
        """The block in which no update is missed; it receives the version after which updates come."""
        with self._context.loaders.observed_by(self._guard.observe):
            async with self._context.hub.join(self._job_id, self._feed, self._context.viewer) as position:
                self._position = position
                yield position

    @property
    def pending(self) -> bool:
        """Whether `take` returns at once."""
        return not self._feed.empty

    async def wait(self) -> None:
        """Wait until an update is pending, or for `interrupt`."""
        await self._feed.wait()

    def interrupt(self) -> None:
        """End the current or the next `wait`."""
        self._feed.interrupt()

    @property
    def ready(self) -> "SharedJobEvents | None":
        """Its events; None when the stream may end after each of them."""
        return None if self._until_settled else self

    def hand_over(self, handler: Callable[[], bool] | None) -> None:
        """Call `handler`, if there is one, when an update becomes pending; if it returns True, `wait` does not end for
        that."""
        self._feed.hand_over(handler)

    def wake(self) -> None:
        """End the current `wait`, if an update is pending."""
        self._feed.wake()

    def peek(self) -> SharedValue | None:
        """Return the next update, which stays pending, if it is an event that was not sent."""
        event = self._feed.next_event()
        return (
            None if event is None or event.version <= self._position else shared_message(cast("JobEvent", event), event)
        )

    def drop(self) -> None:
        """Take the event that `peek` has returned last."""
        self._position = cast("EventRow", self._feed.take()).version

    async def finished(self) -> bool:
        """Whether the stream ends because the job has settled."""
        return await self._finished()

    def making_message(self) -> AbstractAsyncContextManager[None]:
        """Return the block in which a value is made and executed."""
        return self._context.making_message()

    async def take(self) -> SharedValue | None:
        """Return the next value; None when the pending update has none, END when the job is gone."""
        # Several values are made from one snapshot, but none from one that is older than its event.
        if self._feed.updates != self._updates_read:
            self._updates_read = self._feed.updates
            await self._context.snapshot.renew()
        received = self._feed.take()
        if isinstance(received, Inaccessible):
            return END
        return await self.make(received)

    async def make(self, received: object) -> SharedValue | None:
        """Return the value for an update, as `take` does; `received` is that of an earlier value."""
        message = await self._message(cast("EventRow | Running | Lagged", received))
        if message is None:
            return END if isinstance(received, Lagged) else None
        return shared_message(message, received)

    async def again(self, received: object) -> SharedValue | None:
        """Return an event that was sent to others; what it shows is read again."""
        return shared_message(cast("JobEvent", received))

    async def states(self, *, lagged: bool) -> AsyncGenerator[SharedValue]:
        """Yield the state, for members that join or lag behind; END when the stream of the latter ends."""
        async with self.making_message():
            yield await self.state(lagged=lagged) or END

    async def state(self, *, lagged: bool) -> SharedValue | None:
        """Return the state, for members that join or lag behind; None when the job of the latter is gone.

        Raises NotFound when there is no such job, or the viewer may not see it.
        """
        reason = SnapshotReason.LAGGED if lagged else SnapshotReason.INITIAL
        try:
            if not self._selected.job_of_snapshots:
                version = await read_when_available(self._context, self._read_version)
                return shared_message(JobSnapshot(reason=reason, version=version, job=None))
            job = await read_when_available(self._context, self._read_job)
        except NotFound:
            if lagged:
                return None
            raise
        return shared_message(JobSnapshot(reason=reason, version=job.version, job=as_job(job)))

    async def _read_version(self) -> int:
        """Return the version of the job, read alone: the message shows nothing else."""
        version = await queries.version_alone(self._context.snapshot, self._context.viewer, self._job_id)
        if version is None:
            raise no_such_job(["jobId"], self._job_id)
        return version

    def missed(self, context: Context, after: int, is_covered: Callable[[int], bool]) -> "MissedJobEvents":
        """Return the events after a version, until a version of which `is_covered` is true was sent."""
        return MissedJobEvents(context, self._job_id, after, is_covered, selected=self._selected)

    def continue_after(self, missed: object) -> None:
        """Make no value that is older than what was shown while the log was read."""
        self._guard.merge(cast("MissedJobEvents", missed).guard)


class MissedJobEvents(JobMessages):
    """The events that subscribers missed, read from the log."""

    def __init__(
        self,
        context: Context,
        job_id: str,
        after: int,
        is_covered: Callable[[int], bool],
        *,
        selected: SelectedMessages,
    ) -> None:
        super().__init__(context, job_id, after, selected=selected)
        self._is_covered = is_covered
        self.guard = self._guard

    async def values(self) -> AsyncGenerator[SharedValue]:
        """Yield the missed events in order, or the state in place of events that were pruned."""
        with self._context.loaders.observed_by(self._guard.observe):
            async with aclosing(self._catch_up()) as messages:
                async for message in messages:
                    yield shared_message(message)

    def _caught_up(self) -> bool:
        return self._is_covered(self._position)


def shared_message(message: Message, received: object = None) -> SharedValue:
    """Return a message with its position or key."""
    if isinstance(message, SceneProgress):
        return SharedValue(message, key=message.scene_id, received=received)
    if isinstance(message, JobSnapshot):
        return SharedValue(message, message.version, is_snapshot=True)
    event = cast("EventRow", message)
    return SharedValue(message, event.version, received=received, occurred_at=event.occurred_at)
