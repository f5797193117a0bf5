"""Working directories. Each is locked by its process, so that those of killed processes can be removed."""

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

# Long enough to be unique: every unlocked directory with this prefix is removed.
PREFIX = "scenewire-render-"


@asynccontextmanager
async def workdir() -> AsyncGenerator[Path]:
    """An empty directory, removed at the end of the block."""
    folder, lock = await asyncio.to_thread(_make)
    try:
        yield folder
    finally:
        await asyncio.to_thread(_remove, folder, lock)


def sweep() -> int:
    """Remove the directories of dead processes; returns how many."""
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
        # Another process may sweep the directory before it is locked. The lock ends with the process (flock(2)).
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
