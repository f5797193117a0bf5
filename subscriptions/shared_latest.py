"""Latest-value streams for all subscribers that select the same fields with the same rights and interval."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Never

from coordinator.live.reader import JobUpdate
from coordinator.retrying import until_set
from coordinator.signal import Signal
from models.domain.errors import NotFound
from schema.context import Context
from subscriptions.reads import read_when_available
from subscriptions.shared import END, SharedValue, WithoutPositions

KEY = "latest"

FindJob = Callable[[], Awaitable[str]]
"""Returns the id of the job to watch. Raises NotFound."""
Read = Callable[[str], Awaitable[tuple[object, object] | None]]
"""Returns the compared value and the value to show, of a job id; None when it is gone."""


class SharedLatest(WithoutPositions):
    """The newest value of something, at most once per interval; the last one is never skipped."""

    def __init__(
        self, context: Context, find_job: FindJob, read: Read, gone: Callable[[], NotFound], interval_seconds: float
    ) -> None:
        self._context = context
        self._find_job = find_job
        self._read = read
        self._gone = gone
        self._interval_seconds = interval_seconds
        self._job_id = ""
        self._updated = False
        self._interrupted = False
        self._woken = Signal()
        self._made: object = None
        self._made_at = 0.0

    @asynccontextmanager
    async def joined(self) -> AsyncGenerator[int]:
        """The block in which no update is missed."""
        self._job_id = await self._find_job()
        async with self._context.hub.join(self._job_id, self, self._context.viewer):
            yield 0

    def on_update(self, update: JobUpdate) -> None:
        """Note that the value may have changed."""
        self._updated = True
        self._woken.set()

    @property
    def pending(self) -> bool:
        """Whether the value may have changed, and the interval has passed."""
        return self._updated and self._left() <= 0

    async def wait(self) -> None:
        """Wait until a value is pending, or for `interrupt`."""
        while not self._interrupted and not self.pending:
            self._woken.clear()
            await until_set(self._woken, max(0.0, self._left()) if self._updated else None)
        self._interrupted = False

    def interrupt(self) -> None:
        """End the current or the next `wait`."""
        self._interrupted = True
        self._woken.set()

    async def finished(self) -> bool:
        """Return False: the stream ends only when its job is gone."""
        return False

    def making_message(self) -> AbstractAsyncContextManager[None]:
        """Return the block in which a value is made and executed."""
        return self._context.making_message()

    async def take(self) -> SharedValue | None:
        """Return the newest value; None when it is the one that was made last, END when it is gone."""
        self._updated = False
        found = await read_when_available(self._context, lambda: self._read(self._job_id))
        self._made_at = time.monotonic()
        if found is None:
            return END
        compared, value = found
        if compared == self._made:
            return None
        self._made = compared
        return SharedValue(value, key=KEY)

    async def states(self, *, lagged: bool) -> AsyncGenerator[SharedValue]:
        """Yield the state, for members that join or lag behind; END when the stream of the latter ends."""
        async with self.making_message():
            yield await self.state(lagged=lagged) or END

    async def state(self, *, lagged: bool) -> SharedValue | None:
        """Return the newest value, for members that join. Raises NotFound when it is gone."""
        found = await read_when_available(self._context, lambda: self._read(self._job_id))
        if found is None:
            raise self._gone()
        if not self._made_at:
            self._made, self._made_at = found[0], time.monotonic()
        elif found[0] != self._made:
            self._made = None  # those that join have another value than the others: the next one is sent in any case
        return SharedValue(found[1], key=KEY)

    async def make(self, received: object) -> Never:
        """Not called: of a latest value, nothing is made again."""
        raise NotImplementedError

    def _left(self) -> float:
        """Return the seconds until the interval has passed."""
        return self._made_at + self._interval_seconds - time.monotonic()
