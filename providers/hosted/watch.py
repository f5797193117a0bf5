"""Wakes the follow of a prediction on callbacks, and ends it on a cancel."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

from providers.port import Failure

T = TypeVar("T")


class Watch:
    """The watch of one follow. It is created in the event loop of the follow."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._end: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """End the current or the next pause."""
        self._woken.set()

    def end(self, failure: Failure) -> None:
        """End the follow by a failure; the first one counts."""
        if not self._end.done():
            self._end.set_result(failure)

    async def pause(self, seconds: float) -> None:
        """Wait until woken, at most `seconds`; a wake-up since the last pause counts."""
        with suppress(TimeoutError):
            await self.until(self._wakes(seconds))
        self._woken.clear()

    async def until(self, work: Awaitable[T]) -> T:
        """Return the result of the work. Raises the Failure that ended the watch, if that happens first."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, self._end}, return_when=asyncio.FIRST_COMPLETED)
            if self._end.done():
                raise self._end.result()
            return await task
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _wakes(self, seconds: float) -> None:
        async with asyncio.timeout(seconds):
            await self._woken.wait()
