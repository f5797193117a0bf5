"""The message types of a job's event stream."""

from typing import Annotated

import strawberry

from schema.enums import SnapshotReason
from schema.media import Media
from schema.progress import JobProgress
from schema.types import Job, JobEvent, Scene


@strawberry.type(
    description="The state of a job up to and including version; the events that follow have higher versions."
)
class JobSnapshot:
    """Sent first, or in place of dropped events."""

    reason: SnapshotReason
    version: int
    job: Job | None = strawberry.field(
        description="Never null; the type is that of JobEvent.job, so that a document can select job on every member."
    )


@strawberry.type(
    description="Progress of a running render. Not in the event log; may be skipped; never decreases within a take."
)
class SceneProgress:
    """The newest progress that was read of a running scene."""

    job_id: strawberry.ID
    scene_id: strawberry.ID | None = strawberry.field(
        description="Never null; the type is that of JobEvent.sceneId, so a document can select it on every member."
    )
    take_number: int
    percentage: float | None = strawberry.field(description="0 to 100; null when the provider reports none.")
    preview: Media | None = strawberry.field(description="The newest frame, if the provider has one.")
    scene: Scene | None = strawberry.field(
        description="The scene with this percentage, so that normalized caches update its record. Never null."
    )
    progress: JobProgress


JobFeedMessage = Annotated[JobSnapshot | JobEvent | SceneProgress, strawberry.union("JobFeedMessage")]
