"""Somebody who follows a prediction: woken by callbacks, ended by a cancel."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

from providers.port import Failure

T = TypeVar("T")


class Watch:
    """Belongs to one follower; made in its event loop."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._end: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """Look again at once."""
        self._woken.set()

    def end(self, why: Failure) -> None:
        """Stop, for this reason; the first one counts."""
        if not self._end.done():
            self._end.set_result(why)

    async def pause(self, seconds: float) -> None:
        """Wait for so long, or until woken, also by what came since the last pause."""
        with suppress(TimeoutError):
            await self.until(self._wakes(seconds))
        self._woken.clear()

    async def until(self, work: Awaitable[T]) -> T:
        """Do the work to its end; raises the Failure of the watch if that comes first."""
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
