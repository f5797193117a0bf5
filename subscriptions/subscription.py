"""Subscription: the live view. Every stream leaves the hub at once, however it ends: generators are closed."""

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
from schema.inputs import JobFilter, given, job_query
from schema.jobs import Job, as_job
from schema.progress import JobProgress, job_progress
from schema.scenes import Scene, as_scene
from subscriptions import latest
from subscriptions.job_events import JobEvents

INTERVAL_MS = (0, 60_000)


async def _job(context: Context, job_id: str) -> JobRow:
    job = await context.loaders.job.load(job_id)
    if job is None:
        raise no_such_job(["jobId"], job_id)
    return job


@strawberry.type
class Subscription:
    """The root of streams."""

    @strawberry.subscription(
        description=(
            "Everything that happens to one job, in order, without holes. after absent: JobSnapshot(INITIAL), then "
            "live. after known: the missed events, then live. after older than the log: JobSnapshot(LOG_TRUNCATED), "
            "then live. A client that cannot keep up gets JobSnapshot(LAGGED) in place of what was dropped, and never "
            "slows anyone else. untilSettled: the server ends the stream once the job is COMPLETED, FAILED or CANCELED "
            "and everything before that was sent."
        )
    )
    async def job_events(
        self,
        info: Info,
        job_id: strawberry.ID,
        after: int | None = strawberry.UNSET,
        until_settled: bool = False,
    ) -> AsyncGenerator[JobFeedMessage]:
        """The log of a job, live."""
        version = given(after)
        if version is not None and version < 0:
            raise Invalid("after must be a version, 0 or more.", ["after"])
        stream = JobEvents(info, await _job(info.context, job_id), version, until_settled=until_settled)
        async with aclosing(stream.messages()) as messages:
            async for message in messages:
                yield message

    @strawberry.subscription(
        description=(
            "Latest value: the current reading first, then at most one per interval; may skip readings, never the last "
            "one."
        )
    )
    async def job_progress(
        self, info: Info, job_id: strawberry.ID, min_interval_ms: int = 100
    ) -> AsyncGenerator[JobProgress]:
        """How far a job is, live."""
        least, most = INTERVAL_MS
        if not least <= min_interval_ms <= most:
            raise Invalid(f"minIntervalMs must be from {least} to {most}.", ["minIntervalMs"])
        await _job(info.context, job_id)

        async def read() -> ProgressSnapshot | None:
            return await info.context.loaders.snapshot.load(job_id)

        async with aclosing(latest.latest(info.context, job_id, read, min_interval_ms / 1000)) as progress_snapshots:
            async for snapshot in progress_snapshots:
                yield job_progress(snapshot)

    @strawberry.subscription(description="Latest value of one scene, the current state first.")
    async def scene_updated(self, info: Info, scene_id: strawberry.ID) -> AsyncGenerator[Scene]:
        """A scene, live."""
        context = info.context
        async with context.store.read() as connection:
            job_id = await queries.job_of_scene(connection, context.viewer, scene_id)
        if job_id is None:
            raise NotFound("There is no such scene.", ["sceneId"], scene_id)

        async def read() -> tuple[SceneRow, JobStage] | None:
            """With the stage of its job, which may change when no scene does any more."""
            scene, snapshot = await asyncio.gather(
                context.loaders.scene.load(scene_id), context.loaders.snapshot.load(job_id)
            )
            return None if scene is None or snapshot is None else (scene, snapshot.current_stage)

        async with aclosing(latest.latest(context, job_id, read, latest.SCENE_INTERVAL_SECONDS)) as progress_snapshots:
            async for row, _ in progress_snapshots:
                yield as_scene(row)

    @strawberry.subscription(
        description=(
            "Latest value over every job the caller may see, for dashboards: first the jobs that fit the filter, then "
            "each that changes. A job that was sent and no longer fits is sent once more."
        )
    )
    async def jobs_updated(
        self,
        info: Info,
        filter: JobFilter | None = strawberry.UNSET,
    ) -> AsyncGenerator[Job]:
        """Jobs, live."""
        async with aclosing(latest.jobs(info.context, job_query(given(filter), None))) as rows:
            async for row in rows:
                yield as_job(row)
