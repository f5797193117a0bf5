"""An event with one waiter."""

import asyncio


class Signal:
    """An `asyncio.Event` that one task waits for at a time.

    There are several for each watched job, and it takes a tenth of the memory.
    """

    __slots__ = ("_is_set", "_waiter")

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake the waiter."""
        self._is_set = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        """Reset it."""
        self._is_set = False

    async def wait(self) -> None:
        """Wait until it is set. Raises RuntimeError while another task waits."""
        if self._is_set:
            return
        if self._waiter is not None:
            raise RuntimeError("another task waits for this signal")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
