"""Where the files of takes and the joined videos are kept: a folder or a bucket, by obstore."""

import asyncio
import os
import shutil
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from providers.port import Asset

if TYPE_CHECKING:
    from obstore import ObjectMeta

_SUFFIXES = {"video/mp4": "mp4", "image/webp": "webp", "video/webm": "webm", "image/png": "png", "image/jpeg": "jpg"}
FRAMES = "live"
COPIED_BYTES = 1024 * 1024
CONTENT_TYPES = {suffix: content_type for content_type, suffix in _SUFFIXES.items()}


class Stored(NamedTuple):
    """What is known of a stored file without reading it."""

    size: int
    etag: str


class MediaStore:
    """Keeps finished files under server-made keys such as `job_…/scene_…/take_….mp4`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._folder = _folder(url)
        self._store: ObjectStore = from_url(url) if self._folder is None else LocalStore(self._folder)

    async def keep(self, key_without_suffix: str, asset: Asset) -> dict[str, Any]:
        """Store a provider's file and answer the JSON that describes it: key, content_type, sizes, duration."""
        key = f"{key_without_suffix}.{_SUFFIXES.get(asset.content_type, 'bin')}"
        size = await asyncio.to_thread(lambda: asset.path.stat().st_size)
        if self._folder is None:
            await obstore.put_async(self._store, key, asset.path)
        else:
            # obstore leaves it to the system when the bytes reach the disk.
            await asyncio.to_thread(_copy_durably, asset.path, self._folder / key, self._folder)
        return {
            "key": key,
            "content_type": asset.content_type,
            "size_bytes": size,
            "width": asset.width,
            "height": asset.height,
            "duration_seconds": asset.duration_seconds,
        }

    async def put(self, key: str, content: bytes) -> None:
        """Store a small file, replacing what was there."""
        await obstore.put_async(self._store, key, content)

    async def head(self, key: str) -> Stored | None:
        """Size and entity tag of a file; None when there is none."""
        try:
            meta = await obstore.head_async(self._store, key)
        except FileNotFoundError:
            return None
        return Stored(
            meta["size"], (meta["e_tag"] or f"{meta['size']:x}-{meta['last_modified'].timestamp():.0f}").strip('"')
        )

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes start..end (end excluded), in pieces of at most 256 KiB."""
        piece = 256 * 1024
        for offset in range(start, end, piece):
            yield bytes(await obstore.get_range_async(self._store, key, start=offset, end=min(offset + piece, end)))

    async def fetch(self, key: str, target: Path) -> Path:
        """Where a file can be read: at its own place in a folder, else copied to `target`.

        Raises FileNotFoundError when it is not there.
        """
        if self._folder is not None:
            path = self._folder / key
            if not await asyncio.to_thread(path.is_file):
                raise FileNotFoundError(key)
            return path
        answer = await obstore.get_async(self._store, key)
        file = await asyncio.to_thread(target.open, "wb")
        try:
            async for piece in answer.stream(min_chunk_size=COPIED_BYTES):
                await asyncio.to_thread(file.write, piece)
        finally:
            await asyncio.to_thread(file.close)
        return target

    async def delete(self, key: str) -> None:
        """Delete a file, or all that is kept under a key that ends in a slash; what is not there is no error."""
        if key.endswith("/"):
            await self._delete_under(key)
            return
        with suppress(FileNotFoundError):
            await obstore.delete_async(self._store, key)

    async def _delete_under(self, prefix: str) -> None:
        if self._folder is not None:
            folder = self._folder / prefix
            if await asyncio.to_thread(folder.is_dir):
                await asyncio.to_thread(shutil.rmtree, folder)
            return
        async for paths in self._listed(prefix, lambda _: True):
            await obstore.delete_async(self._store, paths)

    async def _listed(self, prefix: str, wanted: Callable[["ObjectMeta"], bool]) -> AsyncIterator[list[str]]:
        # list is overloaded with Arrow's types, which are not installed
        listed = cast("AsyncIterable[Sequence[ObjectMeta]]", obstore.list(self._store, prefix))  # pyright: ignore[reportUnknownMemberType]
        async for batch in listed:
            yield [meta["path"] for meta in batch if wanted(meta)]

    async def sweep_frames(self, older_than: datetime) -> int:
        """Delete the newest frames of renders that ended long ago; how many.

        Not sooner: a browser asks for a frame a moment after it was told of it.
        """
        old: list[str] = []
        async for paths in self._listed(FRAMES, lambda meta: meta["last_modified"] < older_than):
            old.extend(paths)
        await obstore.delete_async(self._store, old)
        return len(old)


def take_key(job_id: str, scene_id: str, take_id: str) -> str:
    """Where the files of a take lie, without suffix."""
    return f"{job_id}/{scene_id}/{take_id}"


def composition_key(job_id: str, composition_version: int) -> str:
    """Where a video lies that was joined of the composition of this version, without suffix; each try has another."""
    return f"{job_id}/cut_{composition_version}_{uuid.uuid4().hex[:12]}"


def live_frame_key(take_id: str) -> str:
    """Where the newest frame of a running render lies."""
    return f"{FRAMES}/{take_id}.webp"


def _folder(url: str) -> Path | None:
    """The folder that a URL names, made if need be; None for a bucket."""
    parts = urlsplit(url)
    if parts.scheme not in ("", "file"):
        return None
    folder = Path(parts.path if parts.scheme else url)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _copy_durably(source: Path, target: Path, root: Path) -> None:
    """A file is whole or not there, whatever happens meanwhile: write aside, flush, rename, and flush the names."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        with source.open("rb") as snapshot, aside.open("xb") as writing:
            shutil.copyfileobj(snapshot, writing, COPIED_BYTES)
            writing.flush()
            os.fsync(writing.fileno())
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    for folder in (target.parent, *target.parent.parents):
        _flush_names(folder)
        if folder == root:
            break


def _flush_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
