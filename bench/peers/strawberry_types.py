"""The types of the plain Strawberry server that need no resolver."""

from datetime import datetime

import strawberry


@strawberry.type
class Scene:
    """A scene."""

    id: strawberry.ID
    job_id: strawberry.ID
    position: int
    title: str | None
    prompt: str
    status: str
    percentage: float | None
    duration_seconds: float
    attempts: int
    version: int
    created_at: datetime
    updated_at: datetime


@strawberry.type
class SceneConnection:
    """The scenes of a job."""

    nodes: list[Scene]


@strawberry.type
class JobProgress:
    """The progress of a job."""

    total: int
    pending: int
    processing: int
    completed: int
    failed: int
    canceled: int
    percentage: float
    version: int
    updated_at: datetime
