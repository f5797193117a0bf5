"""The media files of a backup: copied from the store and into it, or left there and looked for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from coordinator.storage.media import MediaStore
from coordinator.storage.media_errors import unavailable_errors
from coordinator.storage.media_folder import folder_of
from server.backup.files import copied, flushed, summed, written
from server.backup.manifest import MEDIA_LIST, BackupError, MediaFile, MediaMode
from server.backup.references import upload_keys
from server.backup.snapshot import Snapshot

# Files at once. A bucket answers each of them after some milliseconds.
AT_ONCE = 8

T = TypeVar("T")
R = TypeVar("R")


async def back_up(media: MediaStore, folder: Path, snapshot: Snapshot, mode: MediaMode) -> list[MediaFile]:
    """Copy the files that the snapshot refers to into the folder, or look them up; return the list of them.

    Call it after the snapshot was made: a file is stored before a row refers to it, and is deleted an hour after the
    last reference at the earliest. Raises Unavailable, and BackupError when the store has none of the files.
    """
    uploads = [key for upload_id, parts in snapshot.uploads for key in upload_keys(upload_id, parts)]
    backed_up = await _in_batches(snapshot.keys, lambda key: _one(media, folder, key, mode))
    # A volume that is not mounted looks like an empty folder.
    if backed_up and all(file.size is None for file in backed_up):
        raise BackupError(f"{media.url} has none of the {len(backed_up)} media files that the database refers to")
    # Uploads that ended after the snapshot have left nothing.
    received = await _in_batches(uploads, lambda key: _one(media, folder, key, mode))
    return [*backed_up, *(file for file in received if file.size is not None)]


def write_list(folder: Path, files: Sequence[MediaFile]) -> None:
    """Write the list of media files."""
    lines = (f"{file.model_dump_json(exclude_none=True)}\n" for file in files)
    written(folder / MEDIA_LIST, "".join(lines).encode())


async def restore(media: MediaStore, folder: Path, files: Sequence[MediaFile], mode: MediaMode) -> list[str]:
    """Copy the files of a backup into the store, unless they are there; return the keys of those that it lacks then.

    Raises Unavailable.
    """
    present = [file for file in files if file.size is not None]
    missing = [file.key for file in files if file.size is None]
    stored = await _in_batches(present, lambda file: _restore_one(media, folder, file, mode))
    return [*missing, *(file.key for file, there in zip(present, stored, strict=True) if not there)]


async def _one(media: MediaStore, folder: Path, key: str, mode: MediaMode) -> MediaFile:
    if mode == "reference":
        found = await media.head(key)
        return MediaFile(key=key) if found is None else MediaFile(key=key, size=found.size, etag=found.etag)
    file = MediaFile(key=key)
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with unavailable_errors():
            path = await media.fetch(key, target)
        # What came from a bucket is a copy already.
        work = partial(flushed, target) if path == target else partial(copied, path, target)
        found = await asyncio.to_thread(work)
    except FileNotFoundError:
        return file
    return MediaFile(key=key, size=found.size, sha256=found.sha256)


async def _restore_one(media: MediaStore, folder: Path, file: MediaFile, mode: MediaMode) -> bool:
    found = await media.head(file.key)
    if found is not None and found.size == file.size and (mode == "reference" or await _is_undamaged(media, file)):
        return True
    if mode == "copy":
        await media.put_file(file.key, folder / file.path)
    return mode == "copy"


async def _is_undamaged(media: MediaStore, file: MediaFile) -> bool:
    """Whether a stored file of the right size has the content of the backup.

    A bucket is believed: it checks what it keeps, and the content of a key never changes.
    """
    stored = folder_of(media.url)
    return stored is None or (await asyncio.to_thread(summed, stored / file.key)).sha256 == file.sha256


async def _in_batches(items: Sequence[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Do the work for each item, some at once; the first error is raised when no other work goes on."""
    results: list[R] = []
    for batch in _batches(items):
        done = await asyncio.gather(*map(work, batch), return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException):
                raise result
            results.append(result)
    return results


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
