"""The immutable rows of assets and uploads that reads return."""

from datetime import datetime
from typing import Any, NamedTuple

from models.db.asset_tables import ASSET, UPLOAD
from models.db.rows import columns_by_name, select_columns
from models.domain.assets import AssetKind, AssetStatus
from models.domain.failures import FailureJson

Json = dict[str, Any]


class AssetRow(NamedTuple):
    """An asset as stored; fields as in `asset_tables.Asset`."""

    id: str
    owner_id: str
    kind: AssetKind
    name: str | None
    status: AssetStatus
    content_type: str
    size_bytes: int
    sha256: str | None
    upload_id: str | None
    stored_as: str | None
    media: Json | None
    poster: Json | None
    failure: FailureJson | None
    metadata: Json
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    purge_after: datetime | None

    @property
    def usable(self) -> bool:
        """Whether takes can be made from it."""
        return self.status is AssetStatus.READY and self.deleted_at is None


class UploadRow(NamedTuple):
    """An upload as stored; fields as in `asset_tables.Upload`."""

    id: str
    owner_id: str
    content_type: str
    size_bytes: int | None
    most_bytes: int
    received: int
    parts: list[list[Any]]
    created_at: datetime
    expires_at: datetime

    @property
    def room(self) -> int:
        """The number of bytes that it takes in all."""
        return self.most_bytes if self.size_bytes is None else self.size_bytes


ASSET_COLUMNS = select_columns(AssetRow._fields, columns_by_name(ASSET, AssetRow._fields))
UPLOAD_COLUMNS = select_columns(UploadRow._fields, columns_by_name(UPLOAD, UploadRow._fields))
