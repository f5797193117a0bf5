"""A queue handler that records the tickets it receives."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from coordinator.queue.port import Assembler, Handler, Queue
from models.writes.change import Ticket
from tests.support.waiting import TIMEOUT_SECONDS

# Later than everything else, so that every other record has arrived when it is handled.
LAST = Ticket("local", "job_1", "last", 1, priority=-1_000_000)


class RecordingHandler:
    """A handler that records its tickets; each takes as long as `work` does."""

    def __init__(self, work: Handler | None = None) -> None:
        self.given: list[Ticket] = []
        self.given_at: list[float] = []
        self.running: set[str] = set()
        self.most = Counter[str]()
        self._work = work
        self._changed = asyncio.Event()

    @property
    def names(self) -> list[str]:
        """The scenes of the given tickets, in order, without the last marker ticket."""
        return [each.scene_id for each in self.given if each is not LAST and each.scene_id != LAST.scene_id]

    async def __call__(self, ticket: Ticket) -> None:
        self.given.append(ticket)
        self.given_at.append(time.monotonic())
        assert ticket.scene_id not in self.running, "it is being rendered already"
        self.running.add(ticket.scene_id)
        self._note()
        try:
            if self._work is not None:
                await self._work(ticket)
        finally:
            self.running.discard(ticket.scene_id)
            self._note()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on the handler holds."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_last(self, queue: Queue) -> None:
        """Wait until every available ticket was handled."""
        await queue.enqueue([LAST])
        await self.until(lambda: LAST.scene_id in [each.scene_id for each in self.given])
        await self.until(lambda: not self.running)

    def _note(self) -> None:
        running = [each.provider for each in self.given if each.scene_id in self.running]
        self.most |= Counter(running) | Counter(all=len(self.running))
        self._changed.set()


@asynccontextmanager
async def running(queue: Queue, handler: Handler, assembler: Assembler | None = None) -> AsyncGenerator[None]:
    """Run the queue for the duration of the block; it must stop soon after."""
    task = asyncio.create_task(queue.run(handler, assembler))
    try:
        yield
    finally:
        task.cancel()
        _, late = await asyncio.wait([task], timeout=TIMEOUT_SECONDS)
        assert not late, "it does not stop"
        if not task.cancelled():
            await task
