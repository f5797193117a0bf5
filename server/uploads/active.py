"""The uploads that this process receives now: one request of each, the newest, and not too many of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# Each keeps at most one part in memory.
MOST_AT_ONCE = 64
# How long an earlier request may take to store what it has received.
LEAVE_SECONDS = 20.0


class Busy(Exception):
    """Too many uploads at once, or an earlier request of the same upload does not end."""


@dataclass(frozen=True, slots=True)
class _Request:
    end: Callable[[], None]
    done: asyncio.Event = field(default_factory=asyncio.Event)


class ActiveUploads:
    """The requests that append to uploads."""

    def __init__(self, most: int = MOST_AT_ONCE) -> None:
        self._most = most
        self._requests: dict[str, _Request] = {}

    async def end_earlier(self, upload_id: str) -> None:
        """End the request that appends to this upload, and wait until it has stored its bytes. Raises Busy.

        A client that goes on after a cut knows more than the server, which may wait for the dead connection.
        """
        earlier = self._requests.get(upload_id)
        if earlier is None:
            return
        earlier.end()
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await earlier.done.wait()
        except TimeoutError as error:
            raise Busy from error

    @asynccontextmanager
    async def request(self, upload_id: str, end: Callable[[], None]) -> AsyncGenerator[None]:
        """A request that appends to this upload; `end` cuts its connection. Raises Busy."""
        await self.end_earlier(upload_id)
        if len(self._requests) >= self._most or upload_id in self._requests:
            raise Busy
        request = self._requests[upload_id] = _Request(end)
        try:
            yield
        finally:
            del self._requests[upload_id]
            request.done.set()
