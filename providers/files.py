"""Files that are written without blocking the event loop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any


@asynccontextmanager
async def opened_for_writing(path: Path) -> AsyncGenerator[IO[Any]]:
    """A new or emptied file. It is closed in any case, also when the caller is cancelled while it is being opened."""
    # A future, not a task: a loop that ends cancels its tasks, and the thread would open the file all the same.
    opening: asyncio.Future[IO[Any]] = asyncio.get_running_loop().run_in_executor(None, path.open, "wb")
    try:
        file = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise
    try:
        yield file
    finally:
        await asyncio.to_thread(file.close)


def _close(opened: asyncio.Future[IO[Any]]) -> None:
    if not opened.cancelled() and opened.exception() is None:
        opened.result().close()
