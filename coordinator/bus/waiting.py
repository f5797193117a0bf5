"""Waiting for something to be told, but not for ever."""

import asyncio
from contextlib import suppress


async def until_set(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, or for so long.

    Not by `asyncio.wait_for`: before Python 3.12 it swallows a cancellation that comes together with the event.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
