"""Receives the bytes of an upload at this server: in parts of limited size, whatever the size of the file."""

import hashlib
import hmac
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import NamedTuple

from coordinator.assets.uploads import NoUpload, OffsetMismatch, Part, Uploads
from coordinator.storage.media_errors import reason_of
from models.db.asset_rows import UploadRow

log = logging.getLogger(__name__)

# What one upload keeps in memory, and what a killed process loses of it.
PART_BYTES = 4 * 1024 * 1024
# The algorithms of https://tus.io/protocols/resumable-upload#checksum that are offered.
ALGORITHMS = ("sha256", "sha1", "md5")


class TooManyBytes(Exception):
    """The request has more bytes than the upload may have; the excess is not stored."""


class ChecksumMismatch(Exception):
    """The bytes of the request do not have its checksum; none of them are kept."""


class Checksum(NamedTuple):
    """The digest that the bytes of one request must have."""

    algorithm: str
    digest: bytes


class Receiver:
    """One request that appends to an upload, from `offset` on.

    With a checksum, its bytes count when all of them have arrived; otherwise each part counts once it is stored.
    """

    def __init__(self, uploads: Uploads, upload: UploadRow, offset: int, checksum: Checksum | None = None) -> None:
        self._uploads = uploads
        self._upload = upload
        self._checksum = checksum
        self._hash = None if checksum is None else hashlib.new(checksum.algorithm, usedforsecurity=False)
        self._buffer = bytearray()
        self._unlisted: list[Part] = []
        # The number of bytes that the upload has, those that are stored and not listed yet included.
        self._stored = offset
        self.received = offset

    async def receive(self, body: AsyncIterator[bytes]) -> int:
        """Store the bytes; return the number of bytes of the upload.

        A body that is cut off raises its own error, after what came of it was kept. Raises TooManyBytes,
        ChecksumMismatch, OffsetMismatch, NoUpload, and Unavailable when they cannot be stored.
        """
        try:
            async for chunk in body:
                await self._add(chunk)
        except (TooManyBytes, OffsetMismatch, NoUpload):
            await self._drop()
            raise
        except Exception:
            await self._after_cut()
            raise
        await self._finish()
        return self.received

    async def _add(self, chunk: bytes) -> None:
        if self._stored + len(self._buffer) + len(chunk) > self._upload.room:
            raise TooManyBytes
        if self._hash is not None:
            self._hash.update(chunk)
        self._buffer += chunk
        if len(self._buffer) >= PART_BYTES:
            await self._flush()

    async def _flush(self) -> None:
        if not self._buffer:
            return
        content = bytes(self._buffer)
        self._buffer.clear()
        part = await self._uploads.store_part(self._upload.id, content)
        self._unlisted.append(part)
        self._stored += part.size_bytes
        if self._checksum is None:
            await self._list()

    async def _list(self) -> None:
        if self._unlisted:
            self.received = await self._uploads.add_parts(self._upload.id, self.received, self._unlisted)
            self._unlisted.clear()

    async def _finish(self) -> None:
        try:
            await self._flush()
            if self._hash is not None and not self._fits(self._hash.digest()):
                raise ChecksumMismatch
            await self._list()
        except (ChecksumMismatch, OffsetMismatch, NoUpload):
            await self._drop()
            raise

    def _fits(self, digest: bytes) -> bool:
        return self._checksum is not None and hmac.compare_digest(digest, self._checksum.digest)

    async def _after_cut(self) -> None:
        if self._checksum is not None:
            await self._drop()
            return
        # The client asks for the offset, and goes on there.
        with suppress(OffsetMismatch, NoUpload):
            await self._flush()
        await self._drop()

    async def _drop(self) -> None:
        self._buffer.clear()
        try:
            await self._uploads.drop_parts(self._upload.id, self._unlisted)
        except Exception as error:
            # They are deleted at the end of the upload.
            log.info("parts not deleted: %s", reason_of(error), extra={"action": "upload.parts_left"})
        self._unlisted.clear()
