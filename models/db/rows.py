"""The immutable rows that reads return. Hydrating ORM objects would cost more than the rest of a request."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from models.db.tables import JOB, SCENE, TAKE, WEBHOOK, WEBHOOK_DELIVERY
from models.domain.events import DeliveryStatus, EventType
from models.domain.failures import FailureJson
from models.domain.lifecycle import SETTLED_JOB, JobStatus, SceneStatus, TakeReason

Json = dict[str, Any]
Column = sa.ColumnElement[Any]


COUNTERS = {status: status.value.lower() for status in SceneStatus}
"""The columns of a job that count its live scenes, by their status."""

_counters = attrgetter(*COUNTERS.values())


class JobRow(NamedTuple):
    """A job as stored; fields as in `tables.Job`."""

    id: str
    owner_id: str
    title: str
    provider: str
    metadata: Json
    version: int
    status: JobStatus
    pending: int
    processing: int
    completed: int
    failed: int
    canceled: int
    retrying: int
    composition_version: int
    output: Json | None
    output_failure: FailureJson | None
    settings: Json | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    canceled_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    purge_after: datetime | None

    @property
    def total(self) -> int:
        """The number of live scenes."""
        return self.pending + self.processing + self.completed + self.failed + self.canceled

    @property
    def counts(self) -> dict[SceneStatus, int]:
        """The number of live scenes by status."""
        return dict(zip(COUNTERS, _counters(self), strict=True))

    @property
    def left_draft(self) -> bool:
        """Whether the job was started, or canceled before its start."""
        return self.started_at is not None or self.canceled_at is not None

    @property
    def settled(self) -> bool:
        """Whether the job's status is final: nothing is pending or processing."""
        return self.status in SETTLED_JOB

    @property
    def awaiting_assembly(self) -> bool:
        """Whether the clips are complete but not joined yet."""
        done = self.output is not None or self.output_failure is not None
        return self.status is JobStatus.COMPLETED and not done and self.deleted_at is None


class SceneRow(NamedTuple):
    """A scene as stored, with columns of its job (owner, provider, status) and of its current take (the files)."""

    id: str
    job_id: str
    position: int
    title: str | None
    prompt: str
    duration_seconds: float
    status: SceneStatus
    take_id: str
    take_number: int
    newest_take: int
    run: int
    leased_by: str | None
    lease_expires_at: datetime | None
    percentage: float | None
    high_water: float
    frame: int | None
    attempts: int
    max_attempts: int
    next_attempt_at: datetime | None
    queued_at: datetime | None
    reported_at: datetime | None
    priority: int
    failure: FailureJson | None
    metadata: Json
    settings: Json | None
    inputs: list[Json] | None
    version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    purge_after: datetime | None
    owner_id: str
    provider: str
    job_status: JobStatus
    job_settings: Json | None
    job_deleted_at: datetime | None
    provider_id: str | None
    output: Json | None
    poster: Json | None
    preview: Json | None
    take_started_at: datetime | None


class TakeRow(NamedTuple):
    """A take as stored, and whether it is the current take of its scene."""

    id: str
    scene_id: str
    job_id: str
    number: int
    reason: TakeReason
    prompt: str
    status: SceneStatus
    provider: str
    provider_id: str | None
    output: Json | None
    poster: Json | None
    preview: Json | None
    original: Json | None
    failure: FailureJson | None
    settings: Json | None
    inputs: list[Json] | None
    made: Json | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    is_current: bool


class EventRow(NamedTuple):
    """An entry of a job's log."""

    job_id: str
    version: int
    type: EventType
    scene_id: str | None
    actor_id: str | None
    changed: list[str]
    occurred_at: datetime


class WebhookRow(NamedTuple):
    """A webhook as stored; `secret` and `previous_secret` are encrypted."""

    id: str
    owner_id: str
    job_id: str | None
    url: str
    events: list[str]
    active: bool
    disabled_reason: str | None
    failing_since: datetime | None
    secret: str
    previous_secret: str | None
    previous_until: datetime | None
    created_at: datetime
    updated_at: datetime


class DeliveryRow(NamedTuple):
    """The delivery of an event to a webhook, as stored."""

    id: str
    webhook_id: str
    job_id: str
    scene_id: str | None
    version: int
    event_type: EventType
    actor_id: str | None
    changed: list[str]
    status: DeliveryStatus
    body: str | None
    attempts: list[Json]
    failures: int
    failing_since: datetime | None
    next_attempt_at: datetime | None
    leased_by: str | None
    lease_expires_at: datetime | None
    occurred_at: datetime
    created_at: datetime
    finished_at: datetime | None
    traceparent: str | None = None

    @property
    def is_test(self) -> bool:
        """Whether it delivers a sample: no event of a job has version 0."""
        return self.version == 0


# The fields of a SceneRow that are columns of its current take. `Change.write_scene` uses it as well.
SCENE_FIELDS_OF_TAKE = {
    "provider_id": "provider_id",
    "output": "output",
    "poster": "poster",
    "preview": "preview",
    "take_started_at": "started_at",
}


def select_columns(fields: Sequence[str], sources: Mapping[str, Column]) -> list[Column]:
    """Return the columns of a SELECT whose rows a NamedTuple with these fields takes by `_make`.

    Each column is labelled with its field, and their order is that of the fields. Raises TypeError, which ends the
    import, when a field has no column or a column belongs to no field.
    """
    if set(fields) != set(sources):
        raise TypeError(f"fields without a column, or columns without a field: {set(fields) ^ set(sources)}")
    return [sources[field].label(field) for field in fields]


def columns_by_name(table: sa.Table, fields: Sequence[str]) -> dict[str, Column]:
    """Return the columns of the table that have the names of the fields."""
    return {field: table.c[field] for field in fields}


def scene_sources(job: ReadOnlyColumnCollection[str, Any] = JOB.c) -> dict[str, Column]:
    """Return the columns of a SceneRow, with those of its job from `job`."""
    of_take = {field: TAKE.c[column] for field, column in SCENE_FIELDS_OF_TAKE.items()}
    of_job: dict[str, Column] = {
        "owner_id": job["owner_id"],
        "provider": job["provider"],
        "job_status": job["status"],
        "job_settings": job["settings"],
        "job_deleted_at": job["deleted_at"],
    }
    own = [field for field in SceneRow._fields if field not in of_take and field not in of_job]
    return columns_by_name(SCENE, own) | of_job | of_take


def take_sources() -> dict[str, Column]:
    own = [field for field in TakeRow._fields if field != "is_current"]
    return columns_by_name(TAKE, own) | {"is_current": TAKE.c.id == SCENE.c.take_id}


JOB_COLUMNS = select_columns(JobRow._fields, columns_by_name(JOB, JobRow._fields))
WEBHOOK_COLUMNS = select_columns(WebhookRow._fields, columns_by_name(WEBHOOK, WebhookRow._fields))
DELIVERY_COLUMNS = select_columns(DeliveryRow._fields, columns_by_name(WEBHOOK_DELIVERY, DeliveryRow._fields))
SCENE_SELECT = sa.select(*select_columns(SceneRow._fields, scene_sources())).select_from(
    SCENE.join(JOB, JOB.c.id == SCENE.c.job_id).join(TAKE, TAKE.c.id == SCENE.c.take_id)
)

RowT = TypeVar("RowT", JobRow, SceneRow, TakeRow, EventRow, WebhookRow, DeliveryRow)


def all_rows(kind: type[RowT], result: sa.CursorResult[Any]) -> list[RowT]:
    """Return all rows of a result as `kind`, whose fields are the selected columns in order."""
    return [kind._make(row) for row in result]


def first_row(kind: type[RowT], result: sa.CursorResult[Any]) -> RowT | None:
    """Return the first row of a result as `kind`, or None."""
    row = result.first()
    return None if row is None else kind._make(row)
