"""The measured API on plain Strawberry, as its documentation shows: the ORM of SQLAlchemy, DataLoader, FastAPI.

python -m bench.peers.plain_strawberry FILE PORT
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Annotated

import sqlalchemy as sa
import strawberry
import uvicorn
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from strawberry.dataloader import DataLoader
from strawberry.fastapi import BaseContext, GraphQLRouter

from bench.peers.strawberry_tables import JobTable, SceneTable
from bench.peers.strawberry_types import JobProgress, Scene, SceneConnection

FILE, PORT = sys.argv[1:] if len(sys.argv) == 3 else ("bench.db", "8000")
ENGINE = create_async_engine(f"sqlite+aiosqlite:///{FILE}")
SESSION = async_sessionmaker(ENGINE, expire_on_commit=False)
QUEUES: defaultdict[str, set["asyncio.Queue[JobEvent]"]] = defaultdict(set)


class Context(BaseContext):
    """A loader for each request."""

    def __init__(self) -> None:
        super().__init__()
        self.scenes: DataLoader[str, list[SceneTable]] = DataLoader(load_fn=scenes_of_jobs)


Info = strawberry.Info[Context, None]


@strawberry.type
class Job:
    """A job."""

    row: strawberry.Private[JobTable]
    id: strawberry.ID
    title: str
    status: str
    version: int
    created_at: datetime
    updated_at: datetime

    @strawberry.field
    async def scenes(self, info: Info) -> SceneConnection:
        """Load the scenes of all jobs of the answer at once."""
        return SceneConnection(nodes=[as_scene(row) for row in await info.context.scenes.load(self.row.id)])

    @strawberry.field
    async def progress(self) -> JobProgress:
        """Compute the progress from the scenes that are not completed."""
        return await progress_of(self.row)


@strawberry.type
class JobConnection:
    """A page of jobs."""

    nodes: list[Job]


@strawberry.type
class JobSnapshot:
    """The first message of a stream."""

    version: int


@strawberry.type
class JobEvent:
    """A change of a job."""

    version: int
    type: str
    scene_id: strawberry.ID
    occurred_at: datetime
    scene: Scene
    progress: JobProgress


JobFeedMessage = Annotated[JobSnapshot | JobEvent, strawberry.union("JobFeedMessage")]


@strawberry.type
class UserError:
    """A refusal."""

    message: str


@strawberry.type
class ScenePayload:
    """The changed scene."""

    scene: Scene | None
    errors: list[UserError]


@strawberry.input
class UpdateSceneInput:
    """The change of a scene."""

    scene_id: strawberry.ID
    title: str


async def scenes_of_jobs(ids: list[str]) -> list[list[SceneTable]]:
    """Return the scenes of each of these jobs, in order."""
    found: dict[str, list[SceneTable]] = {job_id: [] for job_id in ids}
    query = sa.select(SceneTable).where(SceneTable.job_id.in_(ids), SceneTable.deleted_at.is_(None))
    async with SESSION() as session:
        for row in await session.scalars(query.order_by(SceneTable.job_id, SceneTable.position)):
            found[row.job_id].append(row)
    return [found[job_id] for job_id in ids]


async def progress_of(job: JobTable) -> JobProgress:
    """Return the progress of a job."""
    total = job.pending + job.processing + job.completed + job.failed + job.canceled
    query = sa.select(sa.func.coalesce(sa.func.sum(SceneTable.high_water), 0.0)).where(
        SceneTable.job_id == job.id, SceneTable.deleted_at.is_(None), SceneTable.status != "COMPLETED"
    )
    async with SESSION() as session:
        high_water = (await session.scalars(query)).one()
    done = 100.0 if job.completed == total else round(min(99.99, (100.0 * job.completed + high_water) / total), 2)
    return JobProgress(
        total=total,
        pending=job.pending,
        processing=job.processing,
        completed=job.completed,
        failed=job.failed,
        canceled=job.canceled,
        percentage=done if total else 0.0,
        version=job.version,
        updated_at=_utc(job.updated_at),
    )


def as_job(row: JobTable) -> Job:
    """Return a job as the API shows it."""
    created, updated = _utc(row.created_at), _utc(row.updated_at)
    job_id = strawberry.ID(row.id)
    return Job(
        row=row,
        id=job_id,
        title=row.title,
        status=row.status,
        version=row.version,
        created_at=created,
        updated_at=updated,
    )


def as_scene(row: SceneTable) -> Scene:
    """Return a scene as the API shows it."""
    return Scene(
        id=strawberry.ID(row.id),
        job_id=strawberry.ID(row.job_id),
        position=row.position,
        title=row.title,
        prompt=row.prompt,
        status=row.status,
        percentage=row.percentage,
        duration_seconds=row.duration_seconds,
        attempts=row.attempts,
        version=row.version,
        created_at=_utc(row.created_at),
        updated_at=_utc(row.updated_at),
    )


@strawberry.type
class Query:
    """Reads."""

    @strawberry.field
    async def jobs(self, first: int) -> JobConnection:
        """The newest jobs."""
        query = sa.select(JobTable).where(JobTable.owner_id == "local", JobTable.deleted_at.is_(None))
        async with SESSION() as session:
            found = await session.scalars(query.order_by(JobTable.created_at.desc(), JobTable.id.desc()).limit(first))
            return JobConnection(nodes=[as_job(row) for row in found])

    @strawberry.field
    async def job(self, id: strawberry.ID) -> Job | None:  # noqa: A002 # the name of the argument
        """One job."""
        async with SESSION() as session:
            row = await session.get(JobTable, id)
            return None if row is None else as_job(row)


@strawberry.type
class Mutation:
    """Changes."""

    @strawberry.mutation
    async def update_scene(self, input: UpdateSceneInput) -> ScenePayload:  # noqa: A002 # the name of the argument
        """Change the title of a scene, and publish the event."""
        async with SESSION() as session, session.begin():
            scene = await session.get_one(SceneTable, input.scene_id)
            job = await session.get_one(JobTable, scene.job_id)
            now = datetime.now(UTC).replace(tzinfo=None)
            job.version, job.updated_at = job.version + 1, now
            scene.title, scene.version, scene.updated_at = input.title, job.version, now
        shown = as_scene(scene)
        event = JobEvent(
            version=job.version,
            type="SCENE_UPDATED",
            scene_id=shown.id,
            occurred_at=_utc(now),
            scene=shown,
            progress=await progress_of(job),
        )
        for queue in QUEUES[job.id]:
            queue.put_nowait(event)
        return ScenePayload(scene=shown, errors=[])


@strawberry.type
class Subscription:
    """Streams."""

    @strawberry.subscription
    async def job_events(self, job_id: strawberry.ID, after: int | None = None) -> AsyncGenerator[JobFeedMessage]:
        """The changes of a job, after its version."""
        queue: asyncio.Queue[JobEvent] = asyncio.Queue()
        QUEUES[job_id].add(queue)
        try:
            async with SESSION() as session:
                yield JobSnapshot(version=(await session.get_one(JobTable, job_id)).version)
            while True:
                yield await queue.get()
        finally:
            QUEUES[job_id].discard(queue)

    @strawberry.subscription
    async def job_progress(self, job_id: strawberry.ID, min_interval_ms: int = 0) -> AsyncGenerator[JobProgress]:
        """The progress of a job."""
        queue: asyncio.Queue[JobEvent] = asyncio.Queue()
        QUEUES[job_id].add(queue)
        try:
            async with SESSION() as session:
                job = await session.get_one(JobTable, job_id)
            yield await progress_of(job)
            while True:
                yield (await queue.get()).progress
        finally:
            QUEUES[job_id].discard(queue)


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def main() -> None:
    """Serve."""
    schema = strawberry.Schema(query=Query, mutation=Mutation, subscription=Subscription)
    app = FastAPI()
    app.include_router(GraphQLRouter(schema, context_getter=Context), prefix="/graphql")
    uvicorn.run(app, port=int(PORT), log_level="error", access_log=False)


if __name__ == "__main__":
    main()
