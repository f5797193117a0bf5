"""Uploads: the target of the bytes of a file, and the bytes received.

A bucket that signs addresses receives the file itself. Otherwise the server receives it, in parts that outlast it: the
row of the upload lists them, so that a client goes on behind the last one after a cut or a restart.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import sqlalchemy as sa

from coordinator.storage.keys import upload_folder, upload_part_key, uploaded_file_key
from coordinator.storage.media import MediaStore
from coordinator.storage.media_errors import unavailable_errors
from models.db import clock
from models.db.asset_rows import UploadRow
from models.db.asset_tables import UPLOAD
from models.db.database import Connection
from models.domain import ids
from models.reads import assets
from models.writes import media_gc
from models.writes.store import Store

# How long an address that the bucket has signed is valid; it must have been used by then, not be done.
DIRECT = timedelta(hours=1)
DEFAULT_LIFETIME = timedelta(hours=24)


class NewUpload(NamedTuple):
    """An upload of exactly `size_bytes`, or of at most `most_bytes` where the size is None."""

    owner_id: str
    content_type: str
    most_bytes: int
    size_bytes: int | None = None


class Part(NamedTuple):
    """A stored part of an upload."""

    name: str
    size_bytes: int


class UploadTarget(NamedTuple):
    """The target of an upload: one request, or the tus protocol at the same address if it is `resumable`."""

    method: str
    url: str
    headers: Mapping[str, str]
    resumable: bool
    max_bytes: int
    expires_at: datetime


class UploadAddress(Protocol):
    """Makes the signed address of an upload on this server."""

    def __call__(self, upload_id: str, expires_at: datetime, /) -> str:
        """Return the address, which is valid until then."""
        ...


class OffsetMismatch(Exception):
    """The client's offset differs from the number of bytes that the upload has: `received`."""

    def __init__(self, received: int) -> None:
        super().__init__(f"the upload has {received} bytes")
        self.received = received


class NoUpload(Exception):
    """The upload is over: taken over, ended by the client, or expired."""


class Uploads:
    """The uploads of all owners. With `direct`, clients write to the bucket itself if it signs addresses."""

    def __init__(
        self, store: Store, media: MediaStore, *, lifetime: timedelta = DEFAULT_LIFETIME, direct: bool = True
    ) -> None:
        self._store = store
        self.media = media
        self.lifetime = lifetime
        self._direct = direct

    async def open(self, connection: Connection, new: NewUpload, lifetime: timedelta | None = None) -> str:
        """Begin an upload in a write transaction; return its id. It expires after `lifetime`."""
        upload_id, instant = ids.new("upload"), await clock.current(connection)
        await connection.execute(
            sa.insert(UPLOAD).values(
                **new._asdict(),
                id=upload_id,
                received=0,
                parts=[],
                created_at=instant,
                expires_at=instant + (self.lifetime if lifetime is None else lifetime),
            )
        )
        return upload_id

    async def find(self, upload_id: str) -> UploadRow | None:
        """Return an open upload."""
        async with self._store.read() as connection:
            found = await assets.upload(connection, upload_id)
            live = found is not None and found.expires_at > await clock.current(connection)
        return found if live else None

    async def target(self, upload: UploadRow, address: UploadAddress) -> UploadTarget:
        """Return the target of an upload, with newly signed addresses."""
        headers = {"content-type": upload.content_type}
        if self._direct and not upload.received:
            url = await self.media.address(uploaded_file_key(upload.id), "PUT", DIRECT)
            if url is not None:
                expires_at = min(upload.expires_at, clock.now() + DIRECT)
                return UploadTarget("PUT", url, headers | self.media.put_headers, False, upload.room, expires_at)
        url = address(upload.id, upload.expires_at)
        return UploadTarget("PUT", url, headers, True, upload.room, upload.expires_at)

    async def arrived(self, upload: UploadRow) -> int:
        """Return the number of bytes received, here or in the bucket. Raises Unavailable."""
        if upload.received:
            return upload.received
        stored = await self.media.head(uploaded_file_key(upload.id))
        return 0 if stored is None else stored.size

    async def add_parts(self, upload_id: str, offset: int, parts: Sequence[Part]) -> int:
        """List stored parts, which begin at `offset`; return the number of bytes received.

        Raises OffsetMismatch and NoUpload, and then the parts are not listed.
        """
        async with self._store.write() as connection:
            upload = await _locked(connection, upload_id)
            if upload.received != offset:
                raise OffsetMismatch(upload.received)
            received = offset + sum(part.size_bytes for part in parts)
            listed = [*upload.parts, *map(list, parts)]
            add = sa.update(UPLOAD).where(UPLOAD.c.id == upload_id).values(parts=listed, received=received)
            await connection.execute(add)
        return received

    async def start_again(self, upload_id: str) -> None:
        """Discard the bytes received. Raises NoUpload."""
        async with self._store.write() as connection:
            upload = await _locked(connection, upload_id)
            if upload.received:
                keys = [upload_part_key(upload_id, name) for name, _ in upload.parts]
                await media_gc.mark(connection, keys, await clock.current(connection))
                empty = sa.update(UPLOAD).where(UPLOAD.c.id == upload_id).values(parts=[], received=0)
                await connection.execute(empty)

    async def store_part(self, upload_id: str, content: bytes) -> Part:
        """Store a part under a new name. It does not count before it is listed. Raises Unavailable."""
        name = uuid.uuid4().hex
        with unavailable_errors():
            await self.media.put_durably(upload_part_key(upload_id, name), content)
        return Part(name, len(content))

    async def drop_parts(self, upload_id: str, parts: Sequence[Part]) -> None:
        """Delete parts that are not listed."""
        for part in parts:
            await self.media.delete(upload_part_key(upload_id, part.name))

    async def end(self, upload_id: str) -> None:
        """End an upload: its bytes are deleted. Idempotent."""
        async with self._store.write() as connection:
            await close(connection, [upload_id])


async def close(connection: Connection, upload_ids: Sequence[str]) -> None:
    """End uploads in a write transaction; their files are deleted when no client can write to them any more."""
    if upload_ids:
        await connection.execute(sa.delete(UPLOAD).where(UPLOAD.c.id.in_(upload_ids)))
        # An address that the bucket has signed may still be used.
        last = await clock.current(connection) + DIRECT
        await media_gc.mark(connection, [upload_folder(each) for each in upload_ids], last)


async def _locked(connection: Connection, upload_id: str) -> UploadRow:
    upload = await assets.upload(connection, upload_id, lock=True)
    if upload is None or upload.expires_at <= await clock.current(connection):
        raise NoUpload
    return upload
