"""The media store, for the files of takes and the joined videos: a folder or a bucket, by obstore."""

import asyncio
import logging
import math
import os
import shutil
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store, from_url

from coordinator.storage.keys import LIVE_FRAMES, PROBE, is_live_frame
from coordinator.storage.media_errors import MediaRefused, reason_of, refused_errors, unavailable_errors
from coordinator.storage.media_writes import MediaWrites
from models.domain.errors import Unavailable
from providers.files import opened_for_writing
from providers.port import Asset

if TYPE_CHECKING:
    from obstore import Attributes, ObjectMeta
    from obstore.store import RetryConfig

log = logging.getLogger(__name__)

_SUFFIXES = {"video/mp4": "mp4", "image/webp": "webp", "video/webm": "webm", "image/png": "png", "image/jpeg": "jpg"}
CONTENT_TYPES = {suffix: content_type for content_type, suffix in _SUFFIXES.items()}
CHUNK_BYTES = 256 * 1024
# Timeout of the store for a user or a readiness probe.
ANSWER_SECONDS = 3.0
# The pause after a failed attempt to sign.
SIGN_AGAIN_SECONDS = 60.0
# Short, because a render that cannot store its clip itself retries for minutes.
_RETRIES: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
_IMMUTABLE = "private, max-age=31536000, immutable"
COPIED_BYTES = 1024 * 1024


class Stored(NamedTuple):
    """The metadata of a stored file."""

    size: int
    etag: str


class MediaStore:
    """Stores finished files under the keys of `keys.py`, such as `job_…/scene_…/take_….mp4`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._folder = _folder(url)
        self._store = LocalStore(self._folder) if self._folder is not None else _bucket(url)
        self._writes = MediaWrites()
        # No address of the bucket is signed before this monotonic time; infinite for stores that cannot sign.
        self._unsigned_until = -math.inf if isinstance(self._store, S3Store | GCSStore | AzureStore) else math.inf

    async def check(self) -> None:
        """Write a small file. Raises MediaRefused for a folder that cannot be written, and for a wrong bucket or wrong
        credentials; Unavailable when the store does not answer or is full."""
        with refused_errors():
            if self._folder is not None:
                await asyncio.to_thread(_write_probe, self._folder)
            else:
                async with asyncio.timeout(2 * ANSWER_SECONDS):
                    await obstore.put_async(self._store, PROBE, b"")

    async def ping(self) -> None:
        """Raise Unavailable when the store does not answer, its folder is missing, or writes still fail."""
        with unavailable_errors():
            if self._folder is not None:
                await asyncio.to_thread(_check_folder, self._folder)
            else:
                async with asyncio.timeout(ANSWER_SECONDS):
                    with suppress(FileNotFoundError):
                        await obstore.head_async(self._store, PROBE)
        if self._writes.failed_bytes is not None:
            await self._check_writes(self._writes.failed_bytes)

    async def _check_writes(self, size: int) -> None:
        """Raise Unavailable unless a file can be written again, and a folder has room for `size` bytes."""
        try:
            with self._writes.attempt(size):
                await self.check()
                if self._folder is not None and await asyncio.to_thread(_free_bytes, self._folder) < size:
                    raise Unavailable("STORAGE", "The media store has no space left.")
        except MediaRefused as error:
            raise Unavailable("STORAGE", f"Media cannot be stored: {error}") from error

    async def store(self, key_without_suffix: str, asset: Asset) -> dict[str, Any]:
        """Store a provider's file; returns the JSON that describes it: key, content_type, sizes, duration."""
        key = f"{key_without_suffix}.{_SUFFIXES.get(asset.content_type, 'bin')}"
        size = await asyncio.to_thread(lambda: asset.path.stat().st_size)
        with self._writes.attempt(size):
            if self._folder is None:
                await obstore.put_async(self._store, key, asset.path, attributes=_attributes(key, asset.content_type))
            else:
                # obstore does not flush files to disk.
                await asyncio.to_thread(_copy_durably, asset.path, self._folder / key, self._folder)
        return {
            "key": key,
            "content_type": asset.content_type,
            "size_bytes": size,
            "width": asset.width,
            "height": asset.height,
            "duration_seconds": _finite(asset.duration_seconds),
        }

    async def put(self, key: str, content: bytes) -> None:
        """Store a small file of a known type, replacing an earlier one."""
        kind = CONTENT_TYPES[key.rpartition(".")[2]]
        # A folder has no place for attributes.
        attributes = _attributes(key, kind) if self._folder is None else None
        with self._writes.attempt(len(content)):
            await obstore.put_async(self._store, key, content, attributes=attributes)

    async def head(self, key: str) -> Stored | None:
        """Return the size and entity tag of a file, None when it does not exist.

        Raises Unavailable when the store does not answer, or its folder is missing.
        """
        try:
            with unavailable_errors():
                async with asyncio.timeout(ANSWER_SECONDS):
                    meta = await obstore.head_async(self._store, key)
        except FileNotFoundError:
            await self._check_present()
            return None
        return Stored(
            meta["size"], (meta["e_tag"] or f"{meta['size']:x}-{meta['last_modified'].timestamp():.0f}").strip('"')
        )

    async def _check_present(self) -> None:
        """Raise Unavailable when a file is missing because its whole folder is, such as an unmounted volume."""
        if self._folder is not None:
            await self.ping()

    async def address(self, key: str, method: Literal["GET", "HEAD"], lifetime: timedelta) -> str | None:
        """Return a URL of the bucket at which anyone may read the file for this long; None when it cannot be signed."""
        if time.monotonic() < self._unsigned_until:
            return None
        store = cast("S3Store | GCSStore | AzureStore", self._store)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await obstore.sign_async(store, method, key, lifetime)
        except (BaseError, TimeoutError) as error:
            # Such as the credentials of an anonymous user, or a service of credentials that does not answer just now.
            self._unsigned_until = time.monotonic() + SIGN_AGAIN_SECONDS
            log.info(
                "The bucket's addresses cannot be signed: %s", reason_of(error), extra={"action": "media.unsigned"}
            )
            return None

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes start..end (end excluded), in chunks of at most CHUNK_BYTES. Raises Unavailable."""
        for offset in range(start, end, CHUNK_BYTES):
            chunk_end = min(offset + CHUNK_BYTES, end)
            with unavailable_errors():
                chunk = await obstore.get_range_async(self._store, key, start=offset, end=chunk_end)
            yield bytes(chunk)

    async def fetch(self, key: str, target: Path) -> Path:
        """Return a path where the file can be read: the stored file itself in a folder, else a copy at `target`.

        Raises FileNotFoundError when the file does not exist.
        """
        if self._folder is not None:
            path = self._folder / key
            if not await asyncio.to_thread(path.is_file):
                raise FileNotFoundError(key)
            return path
        response = await obstore.get_async(self._store, key)
        async with opened_for_writing(target) as file:
            async for chunk in response.stream(min_chunk_size=COPIED_BYTES):
                await asyncio.to_thread(file.write, chunk)
        return target

    async def delete(self, key: str) -> None:
        """Delete a file, or all files under a key that ends in a slash. Idempotent."""
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
        async for paths in self._list(prefix, lambda _: True):
            await obstore.delete_async(self._store, paths)

    async def _list(self, prefix: str, predicate: Callable[["ObjectMeta"], bool]) -> AsyncIterator[list[str]]:
        # list is overloaded with Arrow's types, which are not installed
        listed = cast("AsyncIterable[Sequence[ObjectMeta]]", obstore.list(self._store, prefix))  # pyright: ignore[reportUnknownMemberType]
        async for batch in listed:
            yield [meta["path"] for meta in batch if predicate(meta)]

    async def sweep_frames(self, older_than: datetime) -> int:
        """Delete live frames last written before `older_than`; returns how many.

        Not at the end of a render: browsers request a frame shortly after they were notified of it.
        """
        old: list[str] = []
        async for paths in self._list(LIVE_FRAMES, lambda meta: meta["last_modified"] < older_than):
            old.extend(paths)
        await obstore.delete_async(self._store, old)
        return len(old)


def _bucket(url: str) -> ObjectStore:
    """Return the store of a bucket's URL. Stores that are no service, such as memory, take no options."""
    if urlsplit(url).scheme == "memory":
        return from_url(url)
    return from_url(url, retry_config=_RETRIES)


def _attributes(key: str, content_type: str) -> "Attributes":
    """Return what a bucket sends with an object, for the clients that read it directly."""
    return {"Content-Type": content_type, "Cache-Control": "no-store" if is_live_frame(key) else _IMMUTABLE}


def _check_folder(folder: Path) -> None:
    """Raise OSError when the folder is missing."""
    if not folder.is_dir():
        raise NotADirectoryError(f"there is no folder {folder}")


def _free_bytes(folder: Path) -> int:
    """Return the space that is left for this user."""
    return shutil.disk_usage(folder).free


def _write_probe(folder: Path) -> None:
    """Write and delete a file. Raises OSError."""
    probe = folder / f"{PROBE}.{uuid.uuid4().hex}"
    try:
        probe.write_bytes(b"0")
    finally:
        probe.unlink(missing_ok=True)


def _finite(number: float | None) -> float | None:
    """Return a number that JSON can carry; None for NaN and infinity."""
    return number if number is not None and math.isfinite(number) else None


def _folder(url: str) -> Path | None:
    """Return the folder that a URL names, created if necessary; None for a bucket."""
    parts = urlsplit(url)
    if parts.scheme not in ("", "file"):
        return None
    folder = Path(parts.path if parts.scheme else url)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _copy_durably(source: Path, target: Path, root: Path) -> None:
    """Copy a file atomically and durably: write a temporary file, flush it, rename it, and flush the folders."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        with source.open("rb") as reading, temporary.open("xb") as writing:
            shutil.copyfileobj(reading, writing, COPIED_BYTES)
            writing.flush()
            os.fsync(writing.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    for folder in (target.parent, *target.parent.parents):
        _flush_folder(folder)
        if folder == root:
            break


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
