"""JobProgress: how far a job is."""

from datetime import datetime
from typing import cast

import strawberry

from models.domain.errors import NotFound
from models.domain.progress import ProgressSnapshot
from models.reads.eta import eta_seconds
from models.writes.store import now
from schema.context import Context, Info
from schema.enums import JobStage


@strawberry.type(
    description=(
        "total = pending + processing + completed + failed + canceled, over live scenes. 0 <= percentage <= 100; 100 "
        "only when completed = total > 0; an empty job is 0. It never falls except after a regenerate, add, delete or "
        "restore: what a failed or canceled take had reached still counts."
    )
)
class JobProgress:
    """Read from `models.domain.progress.ProgressSnapshot`, whose columns need no resolver."""

    job_id: strawberry.ID
    total: int
    pending: int
    processing: int
    completed: int
    failed: int
    canceled: int
    percentage: float = strawberry.field(
        description="100 * (completed + the sum of the fractions done of the other scenes) / total."
    )
    current_stage: JobStage
    stage_label: str = strawberry.field(description='For people: "Generating scene 3 of 8".')
    version: int = strawberry.field(description="Job.version at this reading; a reading with a lower version is stale.")
    updated_at: datetime

    @strawberry.field(
        description=(
            "Estimate; null until something of this provider has finished to estimate from, and unless the job is "
            "PROCESSING. Counts what waits before the job's own scenes, whoever's it is."
        )
    )
    @staticmethod
    async def eta_seconds(root: strawberry.Parent[ProgressSnapshot], info: Info) -> float | None:
        """From how long the latest takes of the provider lasted, and what goes before."""
        outlook = await info.context.loaders.outlook.load(root.job_id)
        if outlook is None:
            return None
        at_least = info.context.facts.renders_at_once.get(root.provider, 1)
        return eta_seconds(root, outlook, at_least=at_least, now=now())


async def progress_of(context: Context, job_id: str) -> JobProgress:
    """How far a job is now, that was there a moment ago. Raises NotFound."""
    snapshot = await context.loaders.snapshot.load(job_id)
    if snapshot is None:
        raise gone(job_id)
    return job_progress(snapshot)


def job_progress(snapshot: ProgressSnapshot) -> JobProgress:
    """A reading stands in for the type: same names, no copy."""
    return cast("JobProgress", snapshot)


def gone(job_id: str) -> NotFound:
    """It was there a moment ago, and has been purged or is no longer the viewer's."""
    return NotFound("There is no such job.", ["jobId"], job_id)
