"""A stream outlives a database that is away for a while: what it has to read, it reads when that is back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from models.domain.errors import Unavailable

PAUSE_SECONDS = 0.5

T = TypeVar("T")


async def retry_until_available(read: Callable[[], Awaitable[T]]) -> T:
    """What `read` answers, as soon as the database does."""
    while True:
        try:
            return await read()
        except Unavailable:
            await asyncio.sleep(PAUSE_SECONDS)
