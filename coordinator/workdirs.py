"""The folders in which renders are under way. A process holds a lock on each of its own, so that what one that was
killed has left behind can be told from what is still worked in."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

PREFIX = "scenewire-"


@asynccontextmanager
async def workdir() -> AsyncGenerator[Path]:
    """An empty folder, removed in the end."""
    folder, lock = await asyncio.to_thread(_make)
    try:
        yield folder
    finally:
        await asyncio.to_thread(_remove, folder, lock)


def sweep() -> int:
    """Remove the folders that nobody works in any more; answers how many."""
    swept = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            if _lock(lock, wait=False):
                _remove(folder, lock)
                swept += 1
            else:
                os.close(lock)
    return swept


def _make() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        # Somebody who sweeps may be faster than our lock.
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            _lock(lock, wait=True)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Lock an open folder (flock(2)); the lock goes with the process, however that ends."""
    if sys.platform == "win32":
        return wait
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
