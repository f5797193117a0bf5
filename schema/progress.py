"""JobProgress: the progress of a job at one version."""

from datetime import datetime
from typing import ClassVar, Final, cast

import strawberry

from execution.relations import FromRow
from execution.versions import VersionedColumns
from models.db import clock
from models.domain.errors import NotFound, no_such_job
from models.domain.ids import progress_id
from models.domain.progress import ProgressSnapshot
from models.reads.eta import eta_seconds
from schema.context import Context, Info
from schema.enums import JobStage
from schema.versions import WITH_JOB

_COUNTS: Final = ("pending", "processing", "completed", "failed", "canceled")
_STAGE: Final = ("status", "pending", "processing", "retrying", "awaiting_assembly")
PROGRESS_OF_ROW: Final = FromRow(
    ProgressSnapshot,
    {"job_id": "id"},
    {"under_way": 0.0},
    {
        "total": _COUNTS,
        "percentage": (*_COUNTS, "high_water"),
        "current_stage": _STAGE,
        "stage_label": (*_STAGE, *_COUNTS),
    },
)
"""How the progress is made of the row of its job. Streams compare `under_way`; no field shows it."""


@strawberry.type(
    description=(
        "Progress of a job: the number of its live scenes by status, and a percentage. total = pending + processing + "
        "completed + failed + canceled."
    )
)
class JobProgress:
    """Read from `models.domain.progress.ProgressSnapshot`."""

    versioned_columns: ClassVar = VersionedColumns(moving=frozenset({"percentage"}))

    @strawberry.field(
        description=(
            "progress_… with the suffix of the job's id: globally unique, so that normalized caches keep one record "
            "per job. Not the id of a Node: Query.node returns null for it."
        ),
        metadata=WITH_JOB,
    )
    @staticmethod
    def id(root: strawberry.Parent[ProgressSnapshot]) -> strawberry.ID:
        return strawberry.ID(progress_id(root.job_id))

    job_id: strawberry.ID
    total: int
    pending: int
    processing: int
    completed: int
    failed: int
    canceled: int
    percentage: float = strawberry.field(
        description=(
            "0 to 100: 100 * (completed + the sum of the fractions of the other scenes) / total. 100 only when all "
            "live scenes are completed; 0 for a job without scenes. Decreases only after a regenerate, add, delete or "
            "restore: the progress of a failed or canceled take still counts."
        )
    )
    current_stage: JobStage
    stage_label: str = strawberry.field(description='For end users, such as "Generating scene 3 of 8".')
    version: int = strawberry.field(description="Job.version at this snapshot; one with a lower version is stale.")
    updated_at: datetime

    @strawberry.field(
        description=(
            "Estimated seconds until the job settles, including takes of other jobs ahead in the queue. Null unless "
            "the job is PROCESSING, and until a take of its provider has finished."
        )
    )
    @staticmethod
    async def eta_seconds(root: strawberry.Parent[ProgressSnapshot], info: Info) -> float | None:
        inputs = await info.context.loaders.eta_inputs.load(root.job_id)
        if inputs is None:
            return None
        at_least = info.context.facts.renders_at_once.get(root.provider, 1)
        return eta_seconds(root, inputs, at_least=at_least, now=clock.now())


async def progress_of(context: Context, job_id: str) -> JobProgress:
    """Return the current progress of a job. Raises NotFound when it was purged or is no longer visible."""
    snapshot = await context.loaders.snapshot.load(job_id)
    if snapshot is None:
        raise gone(job_id)
    return job_progress(snapshot)


def job_progress(snapshot: ProgressSnapshot) -> JobProgress:
    """Return a snapshot as the type that it stands in for; it is not copied."""
    return cast("JobProgress", snapshot)


def gone(job_id: str) -> NotFound:
    """Return the error for a job that was purged, or became invisible, after its id was read."""
    return no_such_job(["jobId"], job_id)
