"""Completes assets: gathers, inspects and stores the bytes, and makes the asset READY or REJECTED.

It goes on when the client goes away. A killed process leaves the asset WAITING and its upload as it was, so that the
client can ask again; files that were stored by then are marked for garbage collection before.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from coordinator.assets.gathering import Gathered, gather
from coordinator.assets.looking import Looking, Rejected, other_size
from coordinator.assets.uploads import Uploads, close
from coordinator.storage.content_types import suffix_of
from coordinator.storage.keys import asset_key
from coordinator.storage.media_errors import FileTooLarge, unavailable_errors
from coordinator.tasks import Tasks
from coordinator.workdirs import workdir
from models.db import clock
from models.db.asset_rows import AssetRow, UploadRow
from models.db.asset_tables import ASSET
from models.db.database import Connection
from models.domain.access import SYSTEM
from models.domain.assets import AssetStatus
from models.domain.errors import Unavailable
from models.domain.failures import failure_json
from models.reads import assets
from models.writes import media_gc
from models.writes.store import Store
from providers.inspection.wire import Found
from providers.port import Failure

log = logging.getLogger(__name__)

# How long one completion may take; files that it stores are marked for garbage collection until then.
DEADLINE = timedelta(hours=1)

_POSTER_SUFFIX = ".poster"


class _Kept(NamedTuple):
    """The stored files of an asset."""

    stored_as: str
    media: Mapping[str, Any]
    poster: Mapping[str, Any] | None


class Completions:
    """The completions that run in this process, at most one of each asset."""

    def __init__(self, store: Store, uploads: Uploads, looking: Looking) -> None:
        self._store = store
        self._uploads = uploads
        self._looking = looking
        self._running: dict[str, asyncio.Task[Exception | None]] = {}
        self.tasks = Tasks("assets")

    async def complete(self, asset: AssetRow, upload: UploadRow) -> None:
        """Make an uploaded asset READY or REJECTED. Raises Unavailable; then it is still WAITING."""
        task = self._running.get(asset.id)
        if task is None:
            task = self.tasks.start(self._attempt(asset, upload), "completion of an asset")
            self._running[asset.id] = task
            task.add_done_callback(lambda _: self._running.pop(asset.id, None))
        error = await asyncio.shield(task)
        if error is not None:
            raise error

    async def _attempt(self, asset: AssetRow, upload: UploadRow) -> Exception | None:
        """Return the error, for all callers that wait."""
        try:
            async with asyncio.timeout(DEADLINE.total_seconds()):
                await self._complete(asset, upload)
        except Failure as failure:
            return Unavailable("UNAVAILABLE", failure.message)
        except TimeoutError:
            return Unavailable("UNAVAILABLE", "The file could not be looked at in time.")
        except Exception as error:  # cancellation: the caller raises the error
            return error
        return None

    async def _complete(self, asset: AssetRow, upload: UploadRow) -> None:
        async with self._looking.lanes, workdir() as folder:
            try:
                gathered = await self._gathered(upload, folder)
                found = await self._looking.look(asset, gathered, folder)
            except Rejected as rejected:
                await self._reject(asset, rejected)
            else:
                await self._accept(asset, gathered, await self._keep(asset, found))

    async def _gathered(self, upload: UploadRow, folder: Path) -> Gathered:
        try:
            with unavailable_errors():
                return await gather(self._uploads.media, upload, folder)
        except FileTooLarge as error:
            raise other_size(error.size, upload.room) from error
        except FileNotFoundError as error:
            # Another completion has taken them over, or the client has ended the upload.
            raise Unavailable("UNAVAILABLE", "The uploaded bytes are gone; ask for the asset again.") from error

    async def _keep(self, asset: AssetRow, found: Found) -> _Kept:
        """Store the files, marked for garbage collection until they are recorded."""
        media, stored_as = self._uploads.media, asset_key(asset.id)
        keys = [f"{stored_as}.{suffix_of(found.file.content_type)}"]
        if found.poster is not None:
            keys.append(f"{stored_as}{_POSTER_SUFFIX}.{suffix_of(found.poster.content_type)}")
        async with self._store.write() as connection:
            await media_gc.mark(connection, keys, await clock.current(connection) + DEADLINE)
        with unavailable_errors():
            file = await media.store(stored_as, found.file)
            poster = None if found.poster is None else await media.store(stored_as + _POSTER_SUFFIX, found.poster)
        return _Kept(stored_as, file, poster)

    async def _reject(self, asset: AssetRow, rejected: Rejected) -> None:
        async with self._store.write() as connection:
            instant = await _still_waiting(connection, asset)
            if instant is not None:
                failure = failure_json(rejected.code, rejected.message, retryable=False, at=instant)
                await _settle(connection, asset, status=AssetStatus.REJECTED, failure=failure, updated_at=instant)

    async def _accept(self, asset: AssetRow, gathered: Gathered, kept: _Kept) -> None:
        async with self._store.write() as connection:
            instant = await _still_waiting(connection, asset)
            if instant is None:
                return
            ready = {"status": AssetStatus.READY, "sha256": gathered.sha256, "purge_after": None}
            await _settle(connection, asset, **ready, **kept._asdict(), updated_at=instant)
            files = [kept.media, *([kept.poster] if kept.poster is not None else [])]
            await media_gc.unmark(connection, [str(file["key"]) for file in files])


async def _still_waiting(connection: Connection, asset: AssetRow) -> datetime | None:
    """Lock the asset, and return the current instant; None if it was settled or deleted meanwhile.

    One that was restored since waits for the bytes of another upload.
    """
    current = (await assets.locked(connection, SYSTEM, [asset.id])).get(asset.id)
    expected = (AssetStatus.WAITING, None, asset.upload_id)
    if current is None or (current.status, current.deleted_at, current.upload_id) != expected:
        log.info("completion is outdated", extra={"action": "asset.outdated", "asset": asset.id})
        return None
    return await clock.current(connection)


async def _settle(connection: Connection, asset: AssetRow, **values: Any) -> None:
    """Write the result; the upload is over."""
    await connection.execute(sa.update(ASSET).where(ASSET.c.id == asset.id).values(values))
    if asset.upload_id is not None:
        await close(connection, [asset.upload_id])
