"""What the server answers, as frozen values. The fields are those of the schema, and select what a call asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from scenewire.enums import Grant, JobStage, JobStatus, Resolution, SceneAction, SceneStatus, TakeReason

CONNECTION = {"connection": True}
"""Marks a field whose values are the `nodes` of a connection."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A file. A signed `url` is valid until `expires_at`: read the object again for a new one."""

    url: str
    content_type: str
    expires_at: datetime | None
    size_bytes: int | None
    width: int | None
    height: int | None
    duration_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a take, or the assembly of a job's video, failed."""

    code: str
    message: str
    retryable: bool
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The live scenes of a job by status, and a percentage of 0 to 100, as of `version` of the job."""

    version: int
    total: int
    pending: int
    processing: int
    completed: int
    failed: int
    canceled: int
    percentage: float
    current_stage: JobStage
    stage_label: str
    eta_seconds: float | None
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a clip is to be like, or was made with. None leaves the choice to the model."""

    model: str | None
    aspect_ratio: str | None
    resolution: Resolution | None
    seed: int | None
    negative_prompt: str | None
    audio: bool | None
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A scene as jobs list it. `position` is 0-based; `percentage` is 0 to 100, None without a report."""

    id: str
    job_id: str
    position: int
    title: str | None
    prompt: str
    duration_seconds: float
    status: SceneStatus
    percentage: float | None
    provider: str
    provider_id: str | None
    attempts: int
    max_attempts: int
    next_attempt_at: datetime | None
    output: Media | None
    poster: Media | None
    preview: Media | None
    failure: Failure | None
    available_actions: tuple[SceneAction, ...]
    metadata: Mapping[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One attempt to render a scene; it never changes once it is finished."""

    id: str
    number: int
    reason: TakeReason
    prompt: str
    status: SceneStatus
    provider: str
    provider_id: str | None
    is_current: bool
    output: Media | None
    poster: Media | None
    failure: Failure | None
    settings: Settings
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneDetails(Scene):
    """A scene with its place in the queue, what its next take is made with, and its newest 20 takes, newest first."""

    queue_position: int | None
    waiting_for: str | None
    settings: Settings
    takes: tuple[Take, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """A job without its scenes, as lists have it. `version` is the position of its newest event."""

    id: str
    title: str
    provider: str
    status: JobStatus
    owner_id: str
    metadata: Mapping[str, Any]
    version: int
    progress: Progress
    output: Media | None
    output_failure: Failure | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    purge_after: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(JobSummary):
    """A job with its live scenes, in play order."""

    scenes: tuple[Scene, ...] = field(metadata=CONNECTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedScene:
    """What `delete_scene` answers: until `purge_after`, `restore_scene` can restore the scene."""

    deleted_scene_id: str
    purge_after: datetime
    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A token bucket of `limit` uses, full again at `reset_at`. 2147483647 means unlimited."""

    limit: int
    remaining: int
    reset_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The holder of the token."""

    id: str
    name: str
    roles: tuple[str, ...]
    regenerate_quota: Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token for some jobs, or for all of its maker's when `job_ids` is None."""

    id: str
    label: str | None
    job_ids: tuple[str, ...] | None
    grants: tuple[Grant, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """What `create_token` answers. `secret` is the bearer token, which the server never shows again."""

    token: AccessToken
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """Version and configuration of the server."""

    version: str
    mode: str
    providers: tuple[str, ...]
    event_retention_seconds: int
    recovery_window_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """A page of a list; pass `end_cursor` as `after` for the next one."""

    items: tuple[Item, ...]
    total_count: int
    has_next_page: bool
    end_cursor: str | None
