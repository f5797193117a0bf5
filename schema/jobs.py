"""Job, its connection and its events.

Values are rows of `models.db.rows`: columns are read as attributes, relations through the loaders.
"""

from datetime import datetime
from typing import cast

import strawberry

from models.db.rows import EventRow, JobRow
from models.domain import paging
from models.domain.errors import Invalid
from models.reads.listing import JobQuery, SceneQuery, jobs_count, scene_key
from schema.context import Info
from schema.enums import EventType, JobStatus, SceneStatus
from schema.inputs import given
from schema.media import Media, media
from schema.nodes import Node, PageInfo, page_info
from schema.progress import JobProgress, progress_of
from schema.scalars import JSONObject
from schema.scenes import Scene, SceneConnection, SceneEdge, as_scene
from schema.takes import SceneFailure, scene_failure

LONG_LIST = 50
"""From this number of scenes on, a page gives way to the other requests of the process."""


@strawberry.type(
    description=(
        "A video to be made: up to 200 scenes in play order, rendered by one provider and joined to one file. A job "
        "that is not started yet is a storyboard."
    )
)
class Job(Node):
    """Read from `JobRow`."""

    title: str
    provider: str = strawberry.field(
        description=(
            'The provider that renders the scenes: a configured name, or "external" when workers outside this server '
            "report through updateScene."
        )
    )
    status: JobStatus
    owner_id: strawberry.ID
    metadata: JSONObject
    version: int = strawberry.field(
        description="Increases with each event of the job; the position of the newest event. See expectedVersion."
    )
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    purge_after: datetime | None = strawberry.field(
        description="When the deleted job can no longer be restored; null unless it is deleted."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, JobRow)

    @strawberry.field(description="The current progress.")
    @staticmethod
    async def progress(root: strawberry.Parent[JobRow], info: Info) -> JobProgress:
        return await progress_of(info.context, root.id)

    @strawberry.field(
        description=(
            "The assembled video. Null until every live scene is completed, and again while it is assembled after a "
            "scene was regenerated, moved, deleted, restored or got another take. It arrives after the job has "
            "settled, as a JOB_UPDATED event with changed output: wait for it with jobEvents without untilSettled, or "
            "with jobProgress until currentStage is no longer ASSEMBLING."
        )
    )
    @staticmethod
    def output(root: strawberry.Parent[JobRow], info: Info) -> Media | None:
        return media(info.context, root.output)

    @strawberry.field(
        description=(
            "Why the clips could not be assembled; the scenes stay completed. CLIP_ELSEWHERE: a clip is stored outside "
            "this server. NO_CLIP: a scene has none. The next attempt follows when a scene is regenerated, moved, "
            "deleted, restored or gets another take."
        )
    )
    @staticmethod
    def output_failure(root: strawberry.Parent[JobRow]) -> SceneFailure | None:
        return scene_failure(root.output_failure)

    @strawberry.field(description="The scenes in play order; all of them when neither first nor last is given.")
    @staticmethod
    async def scenes(
        root: strawberry.Parent[JobRow],
        info: Info,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
        status: list[SceneStatus] | None = strawberry.UNSET,
        include_deleted: bool = False,
    ) -> SceneConnection:
        window = paging.window(
            first=given(first), after=given(after), last=given(last), before=given(before), default=None
        )
        statuses = given(status)
        query = SceneQuery(window, None if statuses is None else tuple(statuses), include_deleted)
        page = await info.context.loaders.scenes.load((root.id, query))
        if len(page.items) > LONG_LIST:
            await info.context.yield_to_others()
        edges = [SceneEdge(cursor=paging.encode(scene_key(row)), node=as_scene(row)) for row in page.items]
        return SceneConnection(
            edges=edges,
            nodes=[edge.node for edge in edges],
            page_info=page_info(page, [edge.cursor for edge in edges]),
            query=(root.id, query),
        )

    @strawberry.field(description="One scene of this job; null when the id belongs to another job.")
    @staticmethod
    async def scene(root: strawberry.Parent[JobRow], info: Info, id: strawberry.ID) -> Scene | None:
        row = await info.context.loaders.scene.load(id)
        return as_scene(row) if row is not None and row.job_id == root.id else None

    @strawberry.field(
        description=(
            "The event log after a version, oldest first, for clients that poll: the same events and versions as in "
            "Subscription.jobEvents."
        )
    )
    @staticmethod
    async def events(
        root: strawberry.Parent[JobRow], info: Info, first: int = 100, after: int | None = strawberry.UNSET
    ) -> list["JobEvent"]:
        paging.window(first=first, after=None, last=None, before=None)
        if (given(after) or 0) < 0:
            raise Invalid("after must be a version, 0 or more.", ["after"])
        rows = await info.context.loaders.events.load((root.id, (given(after) or 0, first)))
        return cast("list[JobEvent]", rows)


@strawberry.type
class JobEdge:
    """A job and its cursor."""

    cursor: str
    node: Job


@strawberry.type(description="A page of jobs.")
class JobConnection:
    """`query` is kept for the total count."""

    edges: list[JobEdge]
    nodes: list[Job]
    page_info: PageInfo
    query: strawberry.Private[JobQuery]

    @strawberry.field(description="Number of jobs on all pages.")
    async def total_count(self, info: Info) -> int:
        async with info.context.store.read() as connection:
            return await jobs_count(connection, info.context.viewer, self.query)


@strawberry.type(description="One entry of a job's event log.")
class JobEvent:
    """Read from `EventRow`."""

    version: int = strawberry.field(description="Position in the job's log: 1, 2, 3, … without gaps.")
    type: EventType
    job_id: strawberry.ID
    scene_id: strawberry.ID | None = strawberry.field(
        description="The scene that the event is about; null for an event of the job."
    )
    occurred_at: datetime
    actor_id: strawberry.ID | None = strawberry.field(
        description="The principal that caused the event; null for the server itself."
    )
    changed: list[str] = strawberry.field(description="Names of the fields that changed.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, EventRow)

    @strawberry.field(
        description="The scene in its current state, which may be newer than the event; null once it is purged."
    )
    @staticmethod
    async def scene(root: strawberry.Parent[EventRow], info: Info) -> Scene | None:
        if root.scene_id is None:
            return None
        row = await info.context.loaders.scene.load(root.scene_id)
        return None if row is None else as_scene(row)

    @strawberry.field(description="The job in its current state, which may be newer than the event.")
    @staticmethod
    async def job(root: strawberry.Parent[EventRow], info: Info) -> Job | None:
        row = await info.context.loaders.job.load(root.job_id)
        return None if row is None else as_job(row)

    @strawberry.field(description="The current progress of the job, which may be newer than the event.")
    @staticmethod
    async def progress(root: strawberry.Parent[EventRow], info: Info) -> JobProgress:
        return await progress_of(info.context, root.job_id)


def as_job(row: JobRow) -> Job:
    """Return a row as the type that it stands in for; it is not copied."""
    return cast("Job", row)
