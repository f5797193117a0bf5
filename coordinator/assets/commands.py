"""Commands on assets: create, complete, delete, restore."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from coordinator.assets.completion import Completions
from coordinator.assets.uploads import DEFAULT_LIFETIME, NewUpload, Uploads, close
from coordinator.commands.idempotency import KEY_PATH, Answer, Idempotency, run_once
from coordinator.commands.rate_limit import LOCK_BUCKET
from models.db import clock
from models.db.asset_rows import AssetRow, UploadRow
from models.db.asset_tables import ASSET
from models.db.database import Connection
from models.domain import ids
from models.domain.access import Viewer
from models.domain.assets import CONTENT_TYPES, AssetKind, AssetStatus, plain_type
from models.domain.errors import ErrorCode, Invalid, InvalidState, NotFound
from models.domain.folding import folded_title
from models.domain.rules import TITLE_CHARACTERS, Problems
from models.reads import assets
from models.writes.store import Store

_PATH = ("input", "assetId")
# The purpose of the allowance row by which the creations of one owner wait for each other.
ASSETS = "assets"
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class AssetPolicy(NamedTuple):
    """The size of the largest file, how many uploads of one owner may be open and for how long, and the span in which
    a deleted asset can be restored. With `direct`, clients write to a bucket that signs addresses themselves."""

    most_bytes: int = 2 * 2**30
    waiting_per_owner: int = 20
    upload_lifetime: timedelta = DEFAULT_LIFETIME
    recovery_window: timedelta = timedelta(days=7)
    direct: bool = True


@dataclass(frozen=True, slots=True)
class NewAsset:
    """A file that is announced; `sha256` is in lower-case hex."""

    kind: AssetKind
    content_type: str
    size_bytes: int
    sha256: str | None = None
    name: str | None = None
    metadata: Mapping[str, Any] | None = None
    idempotency_key: str | None = None


class Assets:
    """Commands on assets. One that raises DomainError or DomainErrors changed nothing."""

    def __init__(self, store: Store, uploads: Uploads, completions: Completions, policy: AssetPolicy) -> None:
        self._store = store
        self._uploads = uploads
        self._completions = completions
        self._policy = policy

    async def create(self, viewer: Viewer, new: NewAsset) -> str:
        """Announce a file and return the id of its asset, which is READY at once if the owner has the file already.

        Raises Invalid (LIMIT_EXCEEDED) when too many assets of the viewer wait for their bytes.
        """

        async def act(idempotency: Idempotency) -> Answer:
            async with self._store.write() as connection:
                asset = await self._new_row(connection, viewer, new)
                answer = await idempotency.remember_in(connection, asset.created_at, {"assetId": asset.id})
                await self._insert(connection, asset)
            return answer

        problems = self._problems_of(new)
        answer = await run_once(self._store, viewer, "createAsset", new.idempotency_key, new, act, problems=problems)
        return answer["assetId"]

    async def complete(self, viewer: Viewer, asset_id: str) -> None:
        """Inspect the bytes, and make the asset READY or REJECTED. A READY one does not change.

        Raises Invalid (UPLOAD_REFUSED) when bytes are missing, and nothing is changed; also for an asset that is
        REJECTED, by this call or an earlier one. Raises Unavailable when they cannot be inspected now: repeat it.
        """
        asset = await self._live(viewer, asset_id)
        if asset.status is AssetStatus.WAITING:
            upload = await self._upload_of(asset)
            arrived = 0 if upload is None else await self._uploads.arrived(upload)
            if upload is None or arrived < asset.size_bytes:
                message = f"{arrived} of {asset.size_bytes} bytes have arrived; upload the rest first."
                raise Invalid(message, _PATH, ErrorCode.UPLOAD_REFUSED)
            await self._completions.complete(asset, upload)
            asset = await self._live(viewer, asset_id)
        if asset.failure is not None:
            raise Invalid(asset.failure["message"], _PATH, ErrorCode.UPLOAD_REFUSED)

    async def delete(self, viewer: Viewer, asset_id: str) -> None:
        """Delete an asset, recoverable until `purge_after`. Raises InvalidState (ASSET_IN_USE).

        The bytes of one that waits are not kept, since it does not count among those of its owner any more.
        """
        async with self._store.write() as connection:
            asset = await _locked(connection, viewer, asset_id)
            _check_live(asset)
            if await assets.is_used(connection, asset_id):
                message = (
                    "A live scene is made from the asset; delete the scene, give it other inputs, or wait for its clip."
                )
                raise InvalidState(ErrorCode.ASSET_IN_USE, message, _PATH)
            instant = await clock.current(connection)
            purge_after = instant + self._policy.recovery_window
            if asset.purge_after is not None:
                purge_after = min(purge_after, asset.purge_after)
            upload_id = asset.upload_id
            if asset.status is AssetStatus.WAITING and upload_id is not None:
                await close(connection, [upload_id])
                upload_id = None
            values = {"deleted_at": instant, "updated_at": instant, "purge_after": purge_after}
            await _update(connection, asset_id, **values, upload_id=upload_id)

    async def restore(self, viewer: Viewer, asset_id: str) -> None:
        """Restore a deleted asset; one that is WAITING gets a new upload, without bytes.

        Raises InvalidState (NOT_DELETED, RECOVERY_EXPIRED), and Invalid (LIMIT_EXCEEDED) as `create` does.
        """
        async with self._store.write() as connection:
            asset = await _locked(connection, viewer, asset_id)
            instant = await clock.current(connection)
            if asset.deleted_at is None:
                raise InvalidState(ErrorCode.NOT_DELETED, "The asset is not deleted.", _PATH)
            if asset.purge_after is not None and asset.purge_after <= instant:
                raise InvalidState(ErrorCode.RECOVERY_EXPIRED, "The asset can no longer be restored.", _PATH)
            # One that is not READY is purged at its former time.
            ready = asset.status is AssetStatus.READY
            purge_after = None if ready else asset.purge_after
            upload_id = asset.upload_id
            if asset.status is AssetStatus.WAITING and purge_after is not None:
                upload_id = await self._new_upload(connection, asset, purge_after - instant)
            values = {"deleted_at": None, "updated_at": instant, "purge_after": purge_after}
            await _update(connection, asset_id, **values, upload_id=upload_id)

    async def open_upload(self, viewer: Viewer, asset_id: str) -> UploadRow | None:
        """Return the upload of a visible asset that waits for its bytes; None when there is none."""
        async with self._store.read() as connection:
            asset = (await assets.assets_by_id(connection, viewer, [asset_id])).get(asset_id)
        return None if asset is None else await self._upload_of(asset)

    async def _upload_of(self, asset: AssetRow) -> UploadRow | None:
        if asset.upload_id is None or asset.status is not AssetStatus.WAITING or asset.deleted_at is not None:
            return None
        return await self._uploads.find(asset.upload_id)

    async def _live(self, viewer: Viewer, asset_id: str) -> AssetRow:
        async with self._store.read() as connection:
            found = await assets.assets_by_id(connection, viewer, [asset_id])
        asset = found.get(asset_id)
        if asset is None:
            raise _no_such_asset(asset_id)
        _check_live(asset)
        return asset

    async def _new_row(self, connection: Connection, viewer: Viewer, new: NewAsset) -> AssetRow:
        """Return the row of a new asset: that of an equal file which the owner has, or one that waits for its bytes."""
        instant = await clock.current(connection)
        asset = AssetRow(
            id=ids.new("asset"),
            owner_id=viewer.id,
            kind=new.kind,
            name=new.name,
            status=AssetStatus.WAITING,
            content_type=plain_type(new.content_type),
            size_bytes=new.size_bytes,
            sha256=new.sha256,
            upload_id=None,
            stored_as=None,
            media=None,
            poster=None,
            failure=None,
            metadata=dict(new.metadata or {}),
            created_at=instant,
            updated_at=instant,
            deleted_at=None,
            purge_after=instant + self._uploads.lifetime,
        )
        equal = None if new.sha256 is None else await assets.with_content(connection, asset)
        if equal is None:
            return asset
        return asset._replace(
            status=AssetStatus.READY,
            stored_as=equal.stored_as,
            media=equal.media,
            poster=equal.poster,
            purge_after=None,
        )

    async def _insert(self, connection: Connection, asset: AssetRow) -> None:
        if asset.status is AssetStatus.WAITING:
            asset = asset._replace(upload_id=await self._new_upload(connection, asset, self._uploads.lifetime))
        folded = None if asset.name is None else folded_title(asset.name)
        await connection.execute(sa.insert(ASSET).values(asset._asdict() | {"name_folded": folded}))

    async def _new_upload(self, connection: Connection, asset: AssetRow, lifetime: timedelta) -> str:
        await self._check_waiting(connection, asset.owner_id)
        upload = NewUpload(asset.owner_id, asset.content_type, self._policy.most_bytes, asset.size_bytes)
        return await self._uploads.open(connection, upload, lifetime)

    async def _check_waiting(self, connection: Connection, owner_id: str) -> None:
        """Raise Invalid (LIMIT_EXCEEDED) at the limit. The first asset of an owner is counted in turn as well.

        Lock order: asset row, then allowance row. A purge does not wait for the rows of assets.
        """
        bucket = {"to_owner_id": owner_id, "to_purpose": ASSETS, "to_full_at": await clock.current(connection)}
        await connection.execute(LOCK_BUCKET.plain(connection.dialect.name), bucket)
        if await assets.waiting_of_owner(connection, owner_id) >= self._policy.waiting_per_owner:
            most = self._policy.waiting_per_owner
            message = f"{most} of your assets wait for their bytes; complete or delete one first."
            raise Invalid(message, ("input",), ErrorCode.LIMIT_EXCEEDED)

    def _problems_of(self, new: NewAsset) -> Problems:
        problems, accepted = Problems(), CONTENT_TYPES[new.kind]
        if plain_type(new.content_type) not in accepted:
            listed = f"{', '.join(accepted[:-1])} or {accepted[-1]}"
            problems.add(f"contentType of this kind must be {listed}.", ["input", "contentType"])
        if not 1 <= new.size_bytes <= self._policy.most_bytes:
            problems.add(f"sizeBytes must be from 1 to {self._policy.most_bytes}.", ["input", "sizeBytes"])
        if new.sha256 is not None and not _SHA256.fullmatch(new.sha256):
            problems.add("sha256 must be 64 hexadecimal digits in lower case.", ["input", "sha256"])
        if new.name is not None:
            problems.text(new.name, ["input", "name"], max_characters=TITLE_CHARACTERS)
        if new.metadata is not None:
            problems.metadata(new.metadata, ["input", "metadata"])
        problems.key(new.idempotency_key, KEY_PATH)
        return problems


async def _locked(connection: Connection, viewer: Viewer, asset_id: str) -> AssetRow:
    asset = (await assets.locked(connection, viewer, [asset_id])).get(asset_id)
    if asset is None:
        raise _no_such_asset(asset_id)
    return asset


async def _update(connection: Connection, asset_id: str, **values: Any) -> None:
    await connection.execute(sa.update(ASSET).where(ASSET.c.id == asset_id).values(values))


def _check_live(asset: AssetRow) -> None:
    if asset.deleted_at is not None:
        raise InvalidState(ErrorCode.ALREADY_DELETED, "The asset is deleted.", _PATH)


def _no_such_asset(asset_id: str) -> NotFound:
    return NotFound("There is no such asset.", _PATH, asset_id)
