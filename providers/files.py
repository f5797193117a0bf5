"""Files that are written without blocking the event loop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Lock
from typing import IO, Any


@asynccontextmanager
async def opened_for_writing(path: Path) -> AsyncGenerator[IO[Any]]:
    """A new or emptied file. It is closed in any case, also when the caller is cancelled or its loop ends meanwhile."""
    opening = _Opening(path)
    loop = asyncio.get_running_loop()
    try:
        # A future, not a task: a loop that ends cancels its tasks, and the thread would open the file all the same.
        file = await asyncio.shield(loop.run_in_executor(None, opening.open))
    except asyncio.CancelledError:
        opening.abandon()
        raise
    try:
        yield file
    finally:
        # Shielded: a cancellation would take the call out of the queue of the threads.
        await asyncio.shield(loop.run_in_executor(None, file.close))


class _Opening:
    """A file that a thread opens; closed when its caller abandons it, before or after it is open.

    Not by a callback of the future: it would not run if the loop ends first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._file: IO[Any] | None = None
        self._abandoned = False

    def open(self) -> IO[Any]:
        """Open the file; closed at once if it is abandoned."""
        file = self._path.open("wb")
        with self._lock:
            self._file = file
            abandoned = self._abandoned
        if abandoned:
            file.close()
        return file

    def abandon(self) -> None:
        """Close the file now, or when it is open."""
        with self._lock:
            self._abandoned = True
            file = self._file
        if file is not None:
            file.close()
