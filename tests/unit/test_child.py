"""A child process of the server, in `async with`."""

import asyncio
import signal
from unittest.mock import patch

import pytest

from providers.render.child import Child
from tests.support.waiting import TIMEOUT_SECONDS

WAITS = ["-c", "import sys; print('ready', flush=True); sys.stdin.read()"]


async def test_child_is_reaped_although_leaving_is_cancelled() -> None:
    """As by the second cancellation of a stop."""
    leaving, processes = asyncio.Event(), list[asyncio.subprocess.Process]()
    may_reap = asyncio.Event()
    reap = Child._reap  # pyright: ignore[reportPrivateUsage]

    async def slowly(self: Child) -> int:
        leaving.set()
        await may_reap.wait()
        return await reap(self)

    async def use() -> None:
        async with Child("program", WAITS) as child:
            assert await child.read_line() == b"ready\n"
            processes.append(child._running)  # pyright: ignore[reportPrivateUsage]

    with patch.object(Child, "_reap", slowly):
        task = asyncio.create_task(use())
        await leaving.wait()
        task.cancel()
        await asyncio.sleep(0)
        may_reap.set()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            with pytest.raises(asyncio.CancelledError):
                await task
    assert [each.returncode for each in processes] == [-signal.SIGKILL]
