"""What mutations answer: the thing changed, or the errors."""

from datetime import datetime

import strawberry

from schema.errors import UserError
from schema.jobs import Job
from schema.scenes import Scene


@strawberry.type
class JobPayload:
    """A job, or why not."""

    job: Job | None
    errors: list[UserError]


@strawberry.type
class ScenePayload:
    """A scene and its job, or why not."""

    scene: Scene | None
    job: Job | None
    errors: list[UserError]


@strawberry.type
class DeleteScenePayload:
    """What was deleted, or why not."""

    deleted_scene_id: strawberry.ID | None
    purge_after: datetime | None
    job: Job | None
    errors: list[UserError]
