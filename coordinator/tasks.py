"""Background tasks with an owner: the error of one that fails is logged at once, and all end within a time limit."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Collection, Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

# Time limit, in seconds, for a part to stop, unless it has a limit of its own.
PART_SECONDS = 1.0
# Time limit, in seconds, of a part that is stopped after the deadline: enough for work that waits for nothing.
SHORTEST_SECONDS = 0.05

T = TypeVar("T")


class Tasks:
    """The background tasks of one part of the process, named in its log."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, T], name: str = "") -> asyncio.Task[T]:
        """Run the work in a task, which is referenced until it is done."""
        task = asyncio.create_task(work, name=name or self._part)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    async def stop(self, seconds: float = PART_SECONDS) -> None:
        """Cancel all tasks, and wait for them at most `seconds`; later ones are logged and left behind."""
        await cancel(self._part, self._tasks, seconds)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error, extra={"action": "task.failed", "part": self._part})


class RepeatedErrors:
    """Remembers the last error of each part, whose traceback need not be logged again."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def includes(self, part: str, error: Exception) -> bool:
        """Return whether the last error of the part was the same, and remember this one."""
        description = repr(error)
        repeated = self._last.get(part) == description
        self._last[part] = description
        return repeated


class Stop:
    """A stop of several parts, each with its own limit, all within `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    async def part(self, part: str, work: Awaitable[object], seconds: float = PART_SECONDS) -> None:
        """Wait for a part to stop; log one line if it fails or takes too long, and cancel it then."""
        left = self._deadline - time.monotonic()
        await stop(part, work, max(SHORTEST_SECONDS, min(seconds, left)))


async def stop(part: str, work: Awaitable[object], seconds: float = PART_SECONDS) -> None:
    """Wait at most `seconds` for a part to stop; log one line if it fails or takes longer, and cancel it then."""
    task = asyncio.create_task(_awaited(work), name=f"stop of {part}")
    task.add_done_callback(lambda task: _log_failure(part, task))
    _, late = await asyncio.wait([task], timeout=seconds)
    if late:
        task.cancel()
        _log_late(part, seconds)


async def _awaited(work: Awaitable[object]) -> None:
    await work


async def cancel(part: str, tasks: Collection[asyncio.Future[Any]], seconds: float = PART_SECONDS) -> None:
    """Cancel tasks and wait for them at most `seconds`; log one line if one takes longer. Their errors are ignored."""
    for task in tasks:
        task.cancel()
        task.add_done_callback(ignore_error)
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        if late:
            _log_late(part, seconds)


def ignore_error(task: asyncio.Future[Any]) -> None:
    """Retrieve the error of a task that is being cancelled: asyncio would log that it was never retrieved."""
    if not task.cancelled():
        task.exception()


def _log_failure(part: str, task: asyncio.Future[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        message = f"{part} did not stop in order: {type(error).__name__}: {error}"
        log.warning("%s", message.splitlines()[0], extra={"action": "stop.failed", "part": part})


def _log_late(part: str, seconds: float) -> None:
    message = "%s did not stop within %.1f s and is left behind"
    log.warning(message, part, seconds, extra={"action": "stop.gave_up", "part": part})
