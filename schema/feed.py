"""The message types of a job's event stream."""

from typing import Annotated

import strawberry

from schema.enums import SnapshotReason
from schema.media import Media
from schema.progress import JobProgress
from schema.types import Job, JobEvent


@strawberry.type(
    description="The state of a job up to and including version; the events that follow have higher versions."
)
class JobSnapshot:
    """Sent first, or in place of dropped events."""

    reason: SnapshotReason
    version: int
    job: Job


@strawberry.type(
    description="Progress of a running render. Not in the event log; may be skipped; never decreases within a take."
)
class SceneProgress:
    """From the newest tick of a scene."""

    job_id: strawberry.ID
    scene_id: strawberry.ID
    take_number: int
    percentage: float | None
    preview: Media | None
    progress: JobProgress


JobFeedMessage = Annotated[JobSnapshot | JobEvent | SceneProgress, strawberry.union("JobFeedMessage")]
