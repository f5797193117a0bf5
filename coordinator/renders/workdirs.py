"""The folders in which renders are under way. Each is locked by the process that works in it, so that what a killed one
has left behind can be told from the others and removed."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

# Long enough that nobody else calls a folder so: what begins with it and is not locked is removed.
PREFIX = "scenewire-render-"


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
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
            else:
                _remove(folder, lock)
                swept += 1
    return swept


def _make() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        # Somebody who sweeps may be faster than our lock. It goes with the process, however that ends (flock(2)).
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
