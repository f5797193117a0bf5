"""What a stream of a job is made of."""

from typing import Annotated

import strawberry

from schema.enums import SnapshotReason
from schema.jobs import Job, JobEvent
from schema.media import Media
from schema.progress import JobProgress


@strawberry.type(
    description="State to start from: everything up to version is inside; what follows has higher versions."
)
class JobSnapshot:
    """The job as of now."""

    reason: SnapshotReason
    version: int
    job: Job


@strawberry.type(description="How far a running render is. Not logged, may be skipped, never goes back within a take.")
class SceneProgress:
    """The newest tick of a scene."""

    job_id: strawberry.ID
    scene_id: strawberry.ID
    take_number: int
    percentage: float | None
    preview: Media | None
    progress: JobProgress


JobFeedMessage = Annotated[JobSnapshot | JobEvent | SceneProgress, strawberry.union("JobFeedMessage")]
