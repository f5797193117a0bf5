"""Wait for a condition that no event announces."""

import asyncio
from collections.abc import Awaitable, Callable

# Longer than any correct wait takes on a busy machine: it only bounds how late a test fails, and measures nothing.
TIMEOUT_SECONDS = 180.0


async def eventually(
    condition: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = TIMEOUT_SECONDS
) -> None:
    """Poll every 10 ms until the condition holds. Raises TimeoutError when it never does."""
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if result is True or (not isinstance(result, bool) and await result):
                return
            await asyncio.sleep(0.01)
