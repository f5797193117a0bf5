"""The tables of leased workers, of their leases, and of what waits for them."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

Json = dict[str, Any]

_OPEN = sa.text("ended_at IS NULL")


class Worker(SQLModel, table=True):
    """A machine that leases takes. A principal has one for each name."""

    __table_args__ = (
        sa.UniqueConstraint("owner_id", "name", name="uq_worker_owner_name"),
        sa.Index("ix_worker_last_seen", "last_seen_at"),
    )

    id: str = Field(primary_key=True, max_length=64)
    owner_id: str
    name: str
    labels: Json = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    models: list[str] = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    # Whether it may lease takes of every owner.
    serves_all: bool
    unhealthy_reason: str | None
    started_at: datetime
    last_seen_at: datetime


class TakeLease(SQLModel, table=True):
    """The right of a worker to render one take, fenced by `run`. The end of an open lease is that of its scene."""

    __table_args__ = (
        sa.Index("ix_takelease_scene", "scene_id"),
        sa.Index("ix_takelease_take", "take_id", "run"),
        sa.Index("ix_takelease_worker", "worker_id", "owner_id"),
        sa.Index("ix_takelease_open", "worker_id", sqlite_where=_OPEN),
    )

    # SHA-256 of the token, which is not stored.
    token_hash: str = Field(primary_key=True, max_length=64)
    worker_id: str = Field(max_length=64)
    # The owner of the job.
    owner_id: str
    job_id: str = Field(max_length=64)
    scene_id: str = Field(foreign_key="scene.id", ondelete="CASCADE", max_length=64)
    take_id: str = Field(max_length=64)
    take_number: int
    run: int
    seconds: int
    claimed_at: datetime
    # The upload of the clip, once it was opened.
    upload_id: str | None
    ended_at: datetime | None
    # How the lease ended: a `models.domain.leases.Outcome`.
    outcome: str | None
    # What the worker reported when it delivered the clip: `seed`, `settings` and `metrics`.
    delivery: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    # The span of the render, as its worker passes it on.
    traceparent: str | None = Field(max_length=64)


class WorkLine(SQLModel, table=True):
    """What some waiting takes require of a worker: a model, null for any, and labels."""

    __table_args__ = (sa.Index("ix_workline_model", "model"),)

    line: str = Field(primary_key=True, max_length=64)
    model: str | None
    labels: Json = Field(sa_column=sa.Column(sa.JSON, nullable=False))


class LineOwner(SQLModel, table=True):
    """The place of an owner among those with takes in a line: the lowest `turn` is next."""

    __table_args__ = (sa.Index("ix_lineowner_next", "line", "turn", "owner_id"),)

    line: str = Field(primary_key=True, max_length=64)
    owner_id: str = Field(primary_key=True)
    turn: int = Field(sa_type=sa.BigInteger)


class LineJob(SQLModel, table=True):
    """The place of a job with takes in a line among those of its owner: the lowest `turn` is next."""

    __table_args__ = (
        sa.Index("ix_linejob_next", "line", "owner_id", "turn", "job_id"),
        sa.Index("ix_linejob_job", "job_id"),
    )

    line: str = Field(primary_key=True, max_length=64)
    job_id: str = Field(primary_key=True, max_length=64)
    owner_id: str
    turn: int = Field(sa_type=sa.BigInteger)


WORKER = SQLModel.metadata.tables["worker"]
TAKE_LEASE = SQLModel.metadata.tables["takelease"]
WORK_LINE = SQLModel.metadata.tables["workline"]
LINE_OWNER = SQLModel.metadata.tables["lineowner"]
LINE_JOB = SQLModel.metadata.tables["linejob"]
