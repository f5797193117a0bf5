"""One step of a job, as its log keeps it."""

from datetime import datetime

import strawberry

from models.rows import EventRow
from schema.context import Info
from schema.enums import EventType
from schema.jobs import Job, as_job
from schema.progress import JobProgress, progress_of
from schema.scenes import Scene, as_scene


@strawberry.type
class JobEvent:
    """Read from `EventRow`."""

    version: int = strawberry.field(description="Position in the job's log: 1, 2, 3, … without holes.")
    type: EventType
    job_id: strawberry.ID
    scene_id: strawberry.ID | None
    occurred_at: datetime
    actor_id: strawberry.ID | None = strawberry.field(description="Who caused it; null for the system.")
    changed: list[str] = strawberry.field(description="Names of the fields that changed.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Rows stand in for the type."""
        return isinstance(value, EventRow)

    @strawberry.field(description="As of now, which may be newer than the event; null once purged.")
    @staticmethod
    async def scene(root: strawberry.Parent[EventRow], info: Info) -> Scene | None:
        """The scene it is about."""
        if root.scene_id is None:
            return None
        row = await info.context.loaders.scene.load(root.scene_id)
        return None if row is None else as_scene(row)

    @strawberry.field
    @staticmethod
    async def job(root: strawberry.Parent[EventRow], info: Info) -> Job | None:
        """The job, as of now."""
        row = await info.context.loaders.job.load(root.job_id)
        return None if row is None else as_job(row)

    @strawberry.field
    @staticmethod
    async def progress(root: strawberry.Parent[EventRow], info: Info) -> JobProgress:
        """How far the job is, as of now."""
        return await progress_of(info.context, root.job_id)
