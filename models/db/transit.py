"""Connections on their way from and to the pools, in tasks that no caller awaits any longer."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Transit:
    """The tasks that take and give back connections. A database is closed after they have ended."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[Any]] = set()

    async def arrived(self, taking: Coroutine[Any, Any, T], give_back: Callable[[T], Coroutine[Any, Any, None]]) -> T:
        """Await something that is taken; if the caller is cancelled meanwhile, it is given back when it arrives."""
        task = asyncio.ensure_future(taking)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(lambda taken: self._return(taken, give_back))
            raise

    def send(self, returning: Coroutine[Any, Any, None]) -> None:
        """Give something back in a task."""
        task = asyncio.ensure_future(returning)
        self._tasks.add(task)
        task.add_done_callback(self._on_returned)

    async def arrivals(self) -> None:
        """Wait until nothing is on its way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _return(self, taken: asyncio.Future[T], give_back: Callable[[T], Coroutine[Any, Any, None]]) -> None:
        if not taken.cancelled() and taken.exception() is None:
            self.send(give_back(taken.result()))

    def _on_returned(self, returning: asyncio.Future[None]) -> None:
        self._tasks.discard(returning)
        if not returning.cancelled() and (error := returning.exception()) is not None:
            log.debug("a connection was lost on its return to the pool: %s", error, extra={"action": "database.lost"})
