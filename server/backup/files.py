"""Files of a backup: written durably, with their size and hash."""

import hashlib
import os
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict

COPIED_BYTES = 1024 * 1024


class FileSum(BaseModel):
    """The size of a file in bytes, and the SHA-256 of its content in lower-case hex."""

    model_config = ConfigDict(frozen=True)

    size: int
    sha256: str


def summed(path: Path) -> FileSum:
    """Return the sum of a file. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return FileSum(size=file.seek(0, os.SEEK_END), sha256=digest.hexdigest())


def flushed(path: Path) -> FileSum:
    """Write a finished file to the disk; return its sum."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return summed(path)


def copied(source: Path, target: Path) -> FileSum:
    """Copy a file durably; return the sum of the copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing, COPIED_BYTES)
    return flushed(target)


def written(path: Path, content: bytes, mode: int = 0o644) -> FileSum:
    """Write a new file durably; return its sum. Raises FileExistsError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return flushed(path)
