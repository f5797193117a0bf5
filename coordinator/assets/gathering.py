"""Gathers the bytes of an upload in one file, with their hash."""

import asyncio
import hashlib
import os
import shutil
from pathlib import Path
from typing import IO, Any, NamedTuple

from coordinator.storage.keys import upload_part_key, uploaded_file_key
from coordinator.storage.media import MediaStore
from models.db.asset_rows import UploadRow
from providers.files import opened_for_writing

COPIED_BYTES = 1024 * 1024


class Gathered(NamedTuple):
    """A file, its size, and the SHA-256 of its bytes in lower-case hex."""

    path: Path
    size_bytes: int
    sha256: str


async def gather(media: MediaStore, upload: UploadRow, folder: Path) -> Gathered:
    """Return the bytes of an upload as a file; a new one is written into the folder.

    Raises FileNotFoundError when nothing has arrived, or a part was deleted meanwhile; FileTooLarge, before it is
    copied, when a client wrote more into the bucket than it announced.
    """
    if not upload.received:
        path = await media.fetch(uploaded_file_key(upload.id), folder / "upload", upload.room)
        return await asyncio.to_thread(_as_it_is, path)
    target, digest = folder / "upload", hashlib.sha256()
    async with opened_for_writing(target) as file:
        for name, _ in upload.parts:
            part = await media.fetch(upload_part_key(upload.id, name), folder / "part")
            await asyncio.to_thread(_append, part, file, digest)
    return Gathered(target, upload.received, digest.hexdigest())


def _append(part: Path, file: IO[Any], digest: "hashlib._Hash") -> None:  # pyright: ignore[reportPrivateUsage] # the type has no other name
    writing = _Hashing(file, digest)
    with part.open("rb") as reading:
        shutil.copyfileobj(reading, writing, COPIED_BYTES)


class _Hashing:
    def __init__(self, file: IO[Any], digest: "hashlib._Hash") -> None:  # pyright: ignore[reportPrivateUsage]
        self._file = file
        self._digest = digest

    def write(self, content: bytes) -> None:
        self._digest.update(content)
        self._file.write(content)


def _as_it_is(path: Path) -> Gathered:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Gathered(path, file.seek(0, os.SEEK_END), digest)
