"""Reads for the messages of a stream."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from coordinator.retrying import retry_until_available
from schema.context import Context

T = TypeVar("T")


async def read_when_available(context: Context, read: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `read` in a new snapshot, which stays open; wait while the database is unavailable."""

    async def attempt() -> T:
        await context.snapshot.renew()
        return await read()

    return await retry_until_available(attempt)
