"""The tables of access tokens."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel


class AccessToken(SQLModel, table=True):
    """A token that its owner hands to others: for the jobs in `AccessTokenJob`, or with `all_jobs` for all of them."""

    __table_args__ = (
        sa.Index("ix_accesstoken_hash", "token_hash", unique=True),
        sa.Index("ix_accesstoken_owner", "owner_id", "created_at", "id"),
        sa.Index("ix_accesstoken_expires_at", "expires_at"),
    )

    id: str = Field(primary_key=True, max_length=64)
    # SHA-256 of the secret, which is not stored.
    token_hash: str = Field(max_length=64)
    owner_id: str
    owner_name: str
    label: str | None
    # Values of `access.Grant`.
    grants: list[str] = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    all_jobs: bool
    # Whether its owner may lease takes of every owner.
    serves_all: bool
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class AccessTokenJob(SQLModel, table=True):
    """A job that an access token names, with the owner that the job had then."""

    token_id: str = Field(primary_key=True, foreign_key="accesstoken.id", ondelete="CASCADE", max_length=64)
    job_id: str = Field(primary_key=True, max_length=64)
    owner_id: str


TOKEN = SQLModel.metadata.tables["accesstoken"]
TOKEN_JOB = SQLModel.metadata.tables["accesstokenjob"]
