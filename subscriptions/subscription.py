"""The Subscription type. Every stream leaves the hub as soon as it ends, because its generators are closed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry

from models.db.rows import JobRow, SceneRow
from models.domain.errors import Invalid, NotFound, no_such_job
from models.domain.progress import JobStage, ProgressSnapshot
from models.reads import queries
from schema.context import Context, Info
from schema.feed import JobFeedMessage
from schema.inputs import given
from schema.job_inputs import JobFilter, job_query
from schema.progress import JobProgress, job_progress
from schema.types import Job, Scene, as_job, as_scene
from subscriptions import latest
from subscriptions.job_events import JobEvents
from subscriptions.sharing import check_interval


async def _job(context: Context, job_id: str) -> JobRow:
    job = await context.loaders.job.load(job_id)
    if job is None:
        raise no_such_job(["jobId"], job_id)
    return job


@strawberry.type
class Subscription:
    """The root type of all subscriptions."""

    @strawberry.subscription(
        description=(
            "All events of one job, in order, without gaps. Without after: JobSnapshot(INITIAL), then live events. "
            "With after: the missed events, then live events. With an after that the log no longer holds: "
            "JobSnapshot(LOG_TRUNCATED), then live events. A client that falls behind gets JobSnapshot(LAGGED) in "
            "place of the dropped events, and slows no other client. untilSettled: the server ends the stream once "
            "the job is COMPLETED, FAILED or CANCELED and all earlier messages were sent."
        )
    )
    async def job_events(
        self,
        info: Info,
        job_id: strawberry.ID,
        after: int | None = strawberry.UNSET,
        until_settled: bool = False,
    ) -> AsyncGenerator[JobFeedMessage]:
        """Stream the event log of a job."""
        version = given(after)
        if version is not None and version < 0:
            raise Invalid("after must be a version, 0 or more.", ["after"])
        stream = JobEvents(info, await _job(info.context, job_id), version, until_settled=until_settled)
        async with aclosing(stream.messages()) as messages:
            async for message in messages:
                yield message

    @strawberry.subscription(
        description=(
            "Latest value: the current progress first, then at most one value per interval; may skip values, never the "
            "last one."
        )
    )
    async def job_progress(
        self, info: Info, job_id: strawberry.ID, min_interval_ms: int = 100
    ) -> AsyncGenerator[JobProgress]:
        """Stream the progress of a job."""
        interval_seconds = check_interval(min_interval_ms)
        await _job(info.context, job_id)

        async def read() -> ProgressSnapshot | None:
            return await info.context.loaders.snapshot.load(job_id)

        async with aclosing(latest.latest(info.context, job_id, read, interval_seconds)) as progress_snapshots:
            async for snapshot in progress_snapshots:
                yield job_progress(snapshot)

    @strawberry.subscription(description="Latest value of one scene, the current state first.")
    async def scene_updated(self, info: Info, scene_id: strawberry.ID) -> AsyncGenerator[Scene]:
        """Stream the state of a scene."""
        context = info.context
        async with context.store.read() as connection:
            job_id = await queries.job_of_scene(connection, context.viewer, scene_id)
        if job_id is None:
            raise NotFound("There is no such scene.", ["sceneId"], scene_id)

        async def read() -> tuple[SceneRow, JobStage] | None:
            """Return the scene and the stage of its job, which may still change when the scenes do not."""
            scene, snapshot = await asyncio.gather(
                context.loaders.scene.load(scene_id), context.loaders.snapshot.load(job_id)
            )
            return None if scene is None or snapshot is None else (scene, snapshot.current_stage)

        async with aclosing(latest.latest(context, job_id, read, latest.SCENE_INTERVAL_SECONDS)) as progress_snapshots:
            async for row, _ in progress_snapshots:
                yield as_scene(row)

    @strawberry.subscription(
        description=(
            "Latest value of every job that the caller may see, for dashboards: first the jobs that match the filter, "
            "then each that changes. A job that was sent and no longer matches is sent once more."
        )
    )
    async def jobs_updated(
        self,
        info: Info,
        filter: JobFilter | None = strawberry.UNSET,
    ) -> AsyncGenerator[Job]:
        """Stream the jobs that match a filter."""
        async with aclosing(latest.jobs(info.context, job_query(given(filter), None))) as rows:
            async for row in rows:
                yield as_job(row)
