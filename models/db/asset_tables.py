"""The tables of assets and of uploads."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.db.enum_columns import enum_column
from models.domain.assets import AssetKind, AssetStatus

Json = dict[str, Any]


class Asset(SQLModel, table=True):
    """A file of an owner. What is announced is replaced by what the file is found to be when it becomes READY."""

    __table_args__ = (
        sa.Index("ix_asset_owner_by_created", "owner_id", "created_at", "id"),
        sa.Index("ix_asset_by_created", "created_at", "id"),
        sa.Index("ix_asset_owner_hash", "owner_id", "sha256"),
        sa.Index("ix_asset_owner_status", "owner_id", "status"),
        sa.Index("ix_asset_stored_as", "stored_as"),
        sa.Index("ix_asset_purge_after", "purge_after"),
    )

    id: str = Field(primary_key=True, max_length=64)
    owner_id: str
    kind: AssetKind = Field(sa_type=enum_column(AssetKind))
    name: str | None
    # The result of `folding.folded_title`.
    name_folded: str | None
    status: AssetStatus = Field(sa_type=enum_column(AssetStatus))
    content_type: str
    size_bytes: int = Field(sa_type=sa.BigInteger)
    sha256: str | None
    upload_id: str | None
    # The key of the file and of its poster, without suffix. Assets of one owner with equal bytes share it.
    stored_as: str | None
    media: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    poster: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    failure: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    meta: Json = Field(sa_column=sa.Column("metadata", sa.JSON, nullable=False))
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    # When the row and its files are deleted: set while it is not READY, and when it is deleted.
    purge_after: datetime | None


class Upload(SQLModel, table=True):
    """Bytes that a client sends to the server or to the bucket; deleted when they are taken over, or expire."""

    __table_args__ = (sa.Index("ix_upload_expires_at", "expires_at"),)

    id: str = Field(primary_key=True, max_length=64)
    owner_id: str
    content_type: str
    # The announced size; null when only `most_bytes` limits it.
    size_bytes: int | None = Field(sa_type=sa.BigInteger)
    most_bytes: int = Field(sa_type=sa.BigInteger)
    # The bytes that arrived at the server: the sum of the sizes in `parts`, which lists [key, size].
    received: int = Field(sa_type=sa.BigInteger)
    parts: list[list[Any]] = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    created_at: datetime
    expires_at: datetime


ASSET = SQLModel.metadata.tables["asset"]
UPLOAD = SQLModel.metadata.tables["upload"]
