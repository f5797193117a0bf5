"""The payloads of mutations: the changed objects, or the errors."""

from datetime import datetime

import strawberry

from schema.errors import UserError
from schema.types import Job, Scene


@strawberry.type(description="The changed job, or the errors.")
class JobPayload:
    """The payload of job mutations."""

    job: Job | None
    errors: list[UserError]


@strawberry.type(description="The changed scene and its job, or the errors.")
class ScenePayload:
    """The payload of scene mutations."""

    scene: Scene | None
    job: Job | None
    errors: list[UserError]


@strawberry.type(description="The id of the deleted scene and its job, or the errors.")
class DeleteScenePayload:
    """The payload of deleteScene."""

    deleted_scene_id: strawberry.ID | None
    purge_after: datetime | None = strawberry.field(description="Until then restoreScene can restore it.")
    job: Job | None
    errors: list[UserError]
