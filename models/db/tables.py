"""The tables. Jobs and scenes are written through `store.change` only."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from models.db.enum_columns import enum_column
from models.domain.events import DeliveryStatus, EventType
from models.domain.lifecycle import JobStatus, SceneStatus, TakeReason

Json = dict[str, Any]


_REPORTED = sa.text("provider = 'external' AND deleted_at IS NULL")
# The columns that are equal in all of `_REPORTED`. SQLite takes the index with most of the columns that are compared.
_EQUAL = ("provider", "deleted_at")
LEFT_OUT = "columns left out on Postgres"
_ON_SQLITE = {LEFT_OUT: _EQUAL}
_LEASED = sa.text("leased_by IS NOT NULL")
_REPORTED_AT = sa.text("reported_at IS NOT NULL")
_QUEUED = sa.text("queued_at IS NOT NULL")
_UNFOLDED = sa.text("title_folded IS NULL")
_UNJOINED = sa.text("output IS NULL AND output_failure IS NULL AND deleted_at IS NULL")


class Job(SQLModel, table=True):
    """A video project. The five counters hold its live scenes by status; `retrying` is a part of `pending`."""

    __table_args__ = (
        # The orders of lists. The columns behind the id decide without the row whether a job belongs to a list.
        sa.Index("ix_job_owner_by_created", "owner_id", "created_at", "id", "status", "deleted_at"),
        sa.Index("ix_job_owner_by_updated", "owner_id", "updated_at", "id", "status", "deleted_at"),
        sa.Index("ix_job_owner_by_title", "owner_id", "title", "id", "status", "deleted_at"),
        sa.Index("ix_job_by_created", "created_at", "id", "status", "deleted_at", "owner_id", "provider"),
        sa.Index("ix_job_by_updated", "updated_at", "id", "status", "deleted_at", "owner_id", "provider"),
        sa.Index("ix_job_by_title", "title", "id", "status", "deleted_at", "owner_id", "provider"),
        # For lists of few jobs, which are sorted.
        sa.Index("ix_job_owner_status", "owner_id", "status", "id"),
        sa.Index("ix_job_status", "status"),
        sa.Index("ix_job_reported", *_EQUAL, "status", "id", sqlite_where=_REPORTED, info=_ON_SQLITE),
        sa.Index("ix_job_reported_owner", *_EQUAL, "owner_id", "status", "id", sqlite_where=_REPORTED, info=_ON_SQLITE),
        sa.Index("ix_job_unjoined", "status", sqlite_where=_UNJOINED),
        sa.Index("ix_job_purge_after", "purge_after"),
        sa.Index("ix_job_unfolded", "id", sqlite_where=_UNFOLDED),
    )

    id: str = Field(primary_key=True, max_length=64)
    owner_id: str
    title: str
    # The result of `folding.folded_title`. Null if an older process wrote the title, until `titles.fold_missing` runs.
    title_folded: str | None
    provider: str
    meta: Json = Field(sa_column=sa.Column("metadata", sa.JSON, nullable=False))
    version: int
    status: JobStatus = Field(sa_type=enum_column(JobStatus))
    pending: int
    processing: int
    completed: int
    failed: int
    canceled: int
    retrying: int
    # The version at which the composition became complete, its joined video, and why joining failed.
    composition_version: int
    output: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    output_failure: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    # The settings of `providers.catalogue.Settings` that were given, by their names; those of its scenes go first.
    settings: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    canceled_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    purge_after: datetime | None


class Scene(SQLModel, table=True):
    """One clip of a job. `take_id`, `take_number` and `run` fence the writes of renders."""

    __table_args__ = (
        sa.Index("ix_scene_job_position", "job_id", "position"),
        sa.Index("ix_scene_queue", "status", "priority", "queued_at"),
        sa.Index("ix_scene_leased", "status", sqlite_where=_LEASED),
        sa.Index("ix_scene_waiting", "status", "priority", "queued_at", sqlite_where=_QUEUED),
        sa.Index("ix_scene_purge_after", "purge_after"),
        sa.Index("ix_scene_reported", "reported_at", sqlite_where=_REPORTED_AT),
    )

    id: str = Field(primary_key=True, max_length=64)
    job_id: str = Field(foreign_key="job.id", ondelete="CASCADE")
    position: int
    title: str | None
    prompt: str
    duration_seconds: float
    status: SceneStatus = Field(sa_type=enum_column(SceneStatus))
    take_id: str
    take_number: int
    newest_take: int
    run: int
    leased_by: str | None
    lease_expires_at: datetime | None
    # The key of the ticket of the queue that the render runs under; it may be that of another take.
    ticket: str | None
    # The line of work that the take waits in for a leased worker: the id of a `WorkLine`.
    line: str | None = Field(max_length=64)
    # The trace of the request that let the take wait, as in the header of W3C Trace Context.
    traceparent: str | None = Field(max_length=64)
    percentage: float | None
    high_water: float
    frame: int | None
    attempts: int
    max_attempts: int
    next_attempt_at: datetime | None
    queued_at: datetime | None
    # When a worker outside the server last reported on the open take; before its first report, when it could begin.
    reported_at: datetime | None
    priority: int
    failure: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    meta: Json = Field(sa_column=sa.Column("metadata", sa.JSON, nullable=False))
    # Its own settings, and what its takes are made from; see `models.domain.settings`.
    settings: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    inputs: list[Json] | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    purge_after: datetime | None


class Take(SQLModel, table=True):
    """One attempt to render a scene."""

    __table_args__ = (
        sa.UniqueConstraint("scene_id", "number"),
        sa.Index("ix_take_provider_finished", "provider", "status", "finished_at"),
    )

    id: str = Field(primary_key=True, max_length=64)
    scene_id: str = Field(foreign_key="scene.id", ondelete="CASCADE")
    job_id: str
    number: int
    reason: TakeReason = Field(sa_type=enum_column(TakeReason))
    prompt: str
    status: SceneStatus = Field(sa_type=enum_column(SceneStatus))
    provider: str
    provider_id: str | None
    output: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    poster: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    preview: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    # The file that the provider delivered, unless `output` is that file.
    original: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    failure: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    # What was asked for, written when the take is claimed, and at the end what it was really made with; `made` is the
    # rest of what the provider reported. See `models.domain.settings`.
    settings: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    inputs: list[Json] | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    made: Json | None = Field(sa_column=sa.Column(sa.JSON(none_as_null=True)))
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class SceneInput(SQLModel, table=True):
    """An asset or a take, `ref`, that the inputs of a scene name."""

    scene_id: str = Field(primary_key=True, foreign_key="scene.id", ondelete="CASCADE", max_length=64)
    ref: str = Field(primary_key=True, index=True, max_length=64)


class Event(SQLModel, table=True):
    """One entry of a job's log; its position is (job_id, version), without gaps."""

    job_id: str = Field(primary_key=True, foreign_key="job.id", ondelete="CASCADE", max_length=64)
    version: int = Field(primary_key=True)
    type: EventType = Field(sa_type=enum_column(EventType))
    scene_id: str | None
    actor_id: str | None
    changed: list[str] = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    occurred_at: datetime


class IdempotencyKey(SQLModel, table=True):
    """The answer to a request with this key, which is returned to the same request again."""

    owner_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    operation: str
    request_hash: str
    answer: Json = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    created_at: datetime = Field(index=True)


class Allowance(SQLModel, table=True):
    """The rate limit bucket of an owner for one purpose; it is full again at `full_at`."""

    owner_id: str = Field(primary_key=True)
    purpose: str = Field(primary_key=True)
    full_at: datetime


class DiscardedMedia(SQLModel, table=True):
    """A stored file without references, to be deleted after a grace period."""

    key: str = Field(primary_key=True)
    discarded_at: datetime = Field(index=True)


class Webhook(SQLModel, table=True):
    """A URL to which events are delivered: those of `job_id`, or of every job of the owner."""

    id: str = Field(primary_key=True, max_length=64)
    owner_id: str = Field(index=True)
    job_id: str | None = Field(foreign_key="job.id", ondelete="CASCADE", index=True)
    url: str
    events: list[str] = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    active: bool
    disabled_reason: str | None
    failing_since: datetime | None
    # Encrypted; the previous secret signs as well until then.
    secret: str
    previous_secret: str | None
    previous_until: datetime | None
    created_at: datetime
    updated_at: datetime


class WebhookDelivery(SQLModel, table=True):
    """The delivery of one event to one webhook, by the worker that leases it; `attempts` lists the attempts so far."""

    __table_args__ = (
        sa.Index("ix_webhookdelivery_due", "status", "next_attempt_at"),
        sa.Index("ix_webhookdelivery_order", "webhook_id", "job_id", "status", "version"),
        sa.Index("ix_webhookdelivery_latest", "webhook_id", "created_at", "version", "id"),
        sa.Index("ix_webhookdelivery_status", "webhook_id", "status", "created_at", "version", "id"),
    )

    id: str = Field(primary_key=True, max_length=64)
    webhook_id: str = Field(foreign_key="webhook.id", ondelete="CASCADE")
    job_id: str
    scene_id: str | None
    version: int
    event_type: EventType = Field(sa_type=enum_column(EventType))
    # Copied from the event, whose entry in the log may be pruned before the delivery.
    actor_id: str | None
    changed: list[str] = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    status: DeliveryStatus = Field(sa_type=enum_column(DeliveryStatus))
    # Built at the first attempt, so that all attempts send the same body.
    body: str | None
    attempts: list[Json] = Field(sa_column=sa.Column(sa.JSON, nullable=False))
    # The failed attempts since the delivery was last made due, and the instant of the first of them.
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    leased_by: str | None
    lease_expires_at: datetime | None
    # The trace of the change that made the event.
    traceparent: str | None = Field(max_length=64)
    occurred_at: datetime
    created_at: datetime
    finished_at: datetime | None


class Audit(SQLModel, table=True):
    """One entry of the audit log: a principal, its action on an object, and the result."""

    __table_args__ = (sa.Index("ix_audit_actor", "actor_id", "at"),)

    id: str = Field(primary_key=True, max_length=64)
    at: datetime = Field(index=True)
    actor_id: str
    action: str
    object_id: str | None
    result: str
    request_id: str | None
    # The access token that the principal used, if any.
    token_id: str | None = Field(max_length=64)


class Revocation(SQLModel, table=True):
    """Tokens of this subject issued before `not_before` are rejected."""

    subject: str = Field(primary_key=True)
    not_before: datetime


# The Core tables: statements on them return light rows and hydrate nothing.
JOB = SQLModel.metadata.tables["job"]
SCENE = SQLModel.metadata.tables["scene"]
TAKE = SQLModel.metadata.tables["take"]
SCENE_INPUT = SQLModel.metadata.tables["sceneinput"]
EVENT = SQLModel.metadata.tables["event"]
IDEMPOTENCY_KEY = SQLModel.metadata.tables["idempotencykey"]
ALLOWANCE = SQLModel.metadata.tables["allowance"]
DISCARDED_MEDIA = SQLModel.metadata.tables["discardedmedia"]
WEBHOOK = SQLModel.metadata.tables["webhook"]
WEBHOOK_DELIVERY = SQLModel.metadata.tables["webhookdelivery"]
AUDIT = SQLModel.metadata.tables["audit"]
REVOCATION = SQLModel.metadata.tables["revocation"]
