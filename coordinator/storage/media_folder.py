"""A folder as media store: where obstore is not enough, because it does not flush files to disk."""

import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from coordinator.storage.keys import PROBE

COPIED_BYTES = 1024 * 1024


def folder_of(url: str) -> Path | None:
    """Return the folder that a URL names, created if necessary; None for a bucket."""
    parts = urlsplit(url)
    if parts.scheme not in ("", "file"):
        return None
    folder = Path(parts.path if parts.scheme else url)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def check_folder(folder: Path) -> None:
    """Raise OSError when the folder is missing."""
    if not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder}")


def free_bytes(folder: Path) -> int:
    """Return the space that is left for this user."""
    return shutil.disk_usage(folder).free


def write_probe(folder: Path) -> None:
    """Write and delete a file. Raises OSError."""
    probe = folder / f"{PROBE}.{uuid.uuid4().hex}"
    try:
        probe.write_bytes(b"0")
    finally:
        probe.unlink(missing_ok=True)


def copy_durably(source: Path, target: Path, root: Path) -> None:
    """Copy a file into the store, atomically and durably."""

    def copy(writing: BinaryIO) -> None:
        with source.open("rb") as reading:
            shutil.copyfileobj(reading, writing, COPIED_BYTES)

    _write_durably(copy, target, root)


def write_durably(content: bytes, target: Path, root: Path) -> None:
    """Write a file of the store, atomically and durably."""

    def write(writing: BinaryIO) -> None:
        writing.write(content)

    _write_durably(write, target, root)


def _write_durably(write: Callable[[BinaryIO], None], target: Path, root: Path) -> None:
    """Write a temporary file, flush it, rename it, and flush the folders up to the root."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        with temporary.open("xb") as writing:
            write(writing)
            writing.flush()
            os.fsync(writing.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    for folder in (target.parent, *target.parent.parents):
        flush_folder(folder)
        if folder == root:
            break


def flush_folder(folder: Path) -> None:
    """Write the names in a folder to the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
