"""The media store, for the files of takes and the joined videos: a folder or a bucket, by obstore."""

import asyncio
import logging
import math
import shutil
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, cast

from coordinator.storage.content_types import stored_type, suffix_of, type_of
from coordinator.storage.keys import LIVE_FRAMES, PROBE
from coordinator.storage.media_bucket import attributes_of, bucket_of, can_sign
from coordinator.storage.media_errors import FileTooLarge, MediaRefused, reason_of, refused_errors, unavailable_errors
from coordinator.storage.media_folder import (
    COPIED_BYTES,
    check_folder,
    copy_durably,
    folder_of,
    free_bytes,
    write_durably,
    write_probe,
)
from coordinator.storage.media_writes import MediaWrites
from models.domain.errors import Unavailable
from models.lazy_import import lazily
from providers.files import opened_for_writing
from providers.port import Asset

if TYPE_CHECKING:
    import obstore
    from obstore import ObjectMeta, exceptions
    from obstore import store as stores
    from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store
else:
    # A server on a folder needs it from its first file on: 8 MB, and 3 ms of CPU.
    obstore, exceptions, stores = lazily("obstore"), lazily("obstore.exceptions"), lazily("obstore.store")

log = logging.getLogger(__name__)

T = TypeVar("T")

CHUNK_BYTES = 256 * 1024
# Timeout of the store for a user or a readiness probe.
ANSWER_SECONDS = 3.0
# The pause after a failed attempt to sign.
SIGN_AGAIN_SECONDS = 60.0


class Stored(NamedTuple):
    """The metadata of a stored file."""

    size: int
    etag: str


class Whole(NamedTuple):
    """A stored file and its metadata, read at one moment."""

    stored: Stored
    content: bytes

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes start..end (end excluded)."""
        yield self.content[start:end]


class MediaStore:
    """Stores finished files under the keys of `keys.py`, such as `job_…/scene_…/take_….mp4`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._folder = folder_of(url)
        self._writes = MediaWrites()
        # No address of the bucket is signed before this monotonic time; infinite for stores that cannot sign.
        self._unsigned_until = -math.inf if self._folder is None and can_sign(self._store) else math.inf

    @cached_property
    def _store(self) -> "ObjectStore":
        return stores.LocalStore(self._folder) if self._folder is not None else bucket_of(self.url)

    async def check(self) -> None:
        """Write a small file. Raises MediaRefused for a folder that cannot be written, and for a wrong bucket or wrong
        credentials; Unavailable when the store does not answer or is full."""
        with refused_errors():
            if self._folder is not None:
                await asyncio.to_thread(write_probe, self._folder)
            else:
                async with asyncio.timeout(2 * ANSWER_SECONDS):
                    await obstore.put_async(self._store, PROBE, b"")

    async def ping(self) -> None:
        """Raise Unavailable when the store does not answer, its folder is missing, or writes still fail."""
        with unavailable_errors():
            if self._folder is not None:
                await asyncio.to_thread(check_folder, self._folder)
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
                if self._folder is not None and await asyncio.to_thread(free_bytes, self._folder) < size:
                    raise Unavailable("STORAGE", "The media store has no space left.")
        except MediaRefused as error:
            raise Unavailable("STORAGE", f"Media cannot be stored: {error}") from error

    async def store(self, key_without_suffix: str, asset: Asset) -> dict[str, Any]:
        """Store a provider's file; returns the JSON that describes it: key, content_type, sizes, duration."""
        content_type = stored_type(asset.content_type)
        key = f"{key_without_suffix}.{suffix_of(content_type)}"
        size = await self.put_file(key, asset.path)
        return {
            "key": key,
            "content_type": content_type,
            "size_bytes": size,
            "width": asset.width,
            "height": asset.height,
            "duration_seconds": _finite(asset.duration_seconds),
        }

    async def put_file(self, key: str, path: Path) -> int:
        """Store a file of any size under its key, replacing an earlier one; return the size in bytes."""
        size = await asyncio.to_thread(lambda: path.stat().st_size)
        with self._writes.attempt(size):
            if self._folder is None:
                await obstore.put_async(self._store, key, path, attributes=attributes_of(key, type_of(key)))
            else:
                # obstore does not flush files to disk.
                await asyncio.to_thread(copy_durably, path, self._folder / key, self._folder)
        return size

    async def put(self, key: str, content: bytes) -> None:
        """Store a small file of a known type, replacing an earlier one."""
        # A folder has no place for attributes.
        attributes = attributes_of(key, type_of(key)) if self._folder is None else None
        with self._writes.attempt(len(content)):
            await obstore.put_async(self._store, key, content, attributes=attributes)

    async def put_durably(self, key: str, content: bytes) -> None:
        """Store a part of a file so that it outlasts a failure of the machine."""
        with self._writes.attempt(len(content)):
            if self._folder is None:
                await obstore.put_async(self._store, key, content)
            else:
                await asyncio.to_thread(write_durably, content, self._folder / key, self._folder)

    @property
    def put_headers(self) -> dict[str, str]:
        """The headers that a client must send when it writes by an address of the bucket."""
        # https://learn.microsoft.com/en-us/rest/api/storageservices/put-blob
        is_azure = self._folder is None and isinstance(self._store, stores.AzureStore)
        return {"x-ms-blob-type": "BlockBlob"} if is_azure else {}

    async def head(self, key: str) -> Stored | None:
        """Return the size and entity tag of a file, None when it does not exist.

        Raises Unavailable when the store does not answer, or its folder is missing.
        """
        meta = await self._found(lambda: obstore.head_async(self._store, key))
        return None if meta is None else _stored(meta)

    async def whole(self, key: str) -> Whole | None:
        """Return a small file that may be overwritten meanwhile, None when it does not exist. Raises as `head`."""

        async def read() -> Whole:
            found = await obstore.get_async(self._store, key)
            return Whole(_stored(found.meta), bytes(await found.bytes_async()))

        return await self._found(read)

    async def _found(self, read: Callable[[], Awaitable[T]]) -> T | None:
        """Return what is read of a file, None when it does not exist. Raises Unavailable when the store does not
        answer, or a file is missing because its whole folder is, such as an unmounted volume."""
        try:
            with unavailable_errors():
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await read()
        except FileNotFoundError:
            if self._folder is not None:
                await self.ping()
            return None

    async def address(self, key: str, method: Literal["GET", "HEAD", "PUT"], lifetime: timedelta) -> str | None:
        """Return a URL of the bucket at which anyone may read or write the file for this long; None when it cannot be
        signed."""
        if time.monotonic() < self._unsigned_until:
            return None
        store = cast("S3Store | GCSStore | AzureStore", self._store)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await obstore.sign_async(store, method, key, lifetime)
        except (exceptions.BaseError, TimeoutError) as error:
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

    async def fetch(self, key: str, target: Path, most_bytes: int | None = None) -> Path:
        """Return a path where the file can be read: the stored file itself in a folder, else a copy at `target`.

        Raises FileNotFoundError when the file does not exist, and FileTooLarge before it copies more than `most_bytes`.
        """
        if self._folder is not None:
            path = self._folder / key
            if not await asyncio.to_thread(path.is_file):
                raise FileNotFoundError(key)
            return path
        response = await obstore.get_async(self._store, key)
        size = response.meta["size"]
        if most_bytes is not None and size > most_bytes:
            raise FileTooLarge(size)
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
        if self._folder is not None and not await asyncio.to_thread((self._folder / prefix).is_dir):
            return
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
        if old:
            await obstore.delete_async(self._store, old)
        return len(old)


def _finite(number: float | None) -> float | None:
    """Return a number that JSON can carry; None for NaN and infinity."""
    return number if number is not None and math.isfinite(number) else None


def _stored(meta: "ObjectMeta") -> Stored:
    etag = meta["e_tag"] or f"{meta['size']:x}-{meta['last_modified'].timestamp():.0f}"
    return Stored(meta["size"], etag.strip('"'))
