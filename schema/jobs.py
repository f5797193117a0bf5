"""A video to be made, and lists of them. A job stands in for its type as a scene does."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import strawberry

from models import paging
from models.errors import Invalid
from models.listing import JobsWanted, ScenesWanted, jobs_count, scene_key
from models.rows import JobRow
from schema.context import Info
from schema.enums import JobStatus, SceneStatus
from schema.inputs import given
from schema.media import Media, media
from schema.nodes import Node, PageInfo, page_info
from schema.progress import JobProgress, progress_of
from schema.scalars import JSONObject
from schema.scenes import Scene, SceneConnection, SceneEdge, as_scene
from schema.takes import SceneFailure, scene_failure

if TYPE_CHECKING:
    from schema.job_events import JobEvent

LONG_LIST = 50

AnEvent = Annotated["JobEvent", strawberry.lazy("schema.job_events")]


@strawberry.type
class Job(Node):
    """Read from `JobRow`."""

    title: str
    provider: str = strawberry.field(
        description=(
            'Which provider renders its scenes: a configured name, or "external" when somebody else\'s workers report '
            "through updateScene."
        )
    )
    status: JobStatus
    owner_id: strawberry.ID
    metadata: JSONObject
    version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    purge_after: datetime | None = strawberry.field(description="When a deleted job can no longer be restored.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Rows stand in for the type."""
        return isinstance(value, JobRow)

    @strawberry.field
    @staticmethod
    async def progress(root: strawberry.Parent[JobRow], info: Info) -> JobProgress:
        """How far it is."""
        return await progress_of(info.context, root.id)

    @strawberry.field(
        description=(
            "The assembled video; null until every live scene is completed, and while it is made anew because a scene "
            "was regenerated, moved, deleted, restored or got another take. It comes as an event of its own after the "
            "job has settled (JOB_UPDATED, changed output): wait for it with a jobEvents that is not untilSettled, or "
            "with jobProgress until currentStage is no longer ASSEMBLING."
        )
    )
    @staticmethod
    def output(root: strawberry.Parent[JobRow], info: Info) -> Media | None:
        """The joined clips."""
        return media(info.context, root.output)

    @strawberry.field(
        description=(
            "Why the clips could not be joined; the scenes stay completed. CLIP_ELSEWHERE and NO_CLIP: a scene's clip "
            "is kept by somebody else, or there is none. It is tried again when a scene is regenerated, moved, "
            "deleted, restored or gets another take."
        )
    )
    @staticmethod
    def output_failure(root: strawberry.Parent[JobRow]) -> SceneFailure | None:
        """Why there is no assembled video."""
        return scene_failure(root.output_failure)

    @strawberry.field(description="In play order; all of them when neither first nor last is given.")
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
        """A page of them."""
        window = paging.window(
            first=given(first), after=given(after), last=given(last), before=given(before), default=None
        )
        statuses = given(status)
        wanted = ScenesWanted(window, None if statuses is None else tuple(statuses), include_deleted)
        page = await info.context.loaders.scenes.load((root.id, wanted))
        if len(page.items) > LONG_LIST:
            await info.context.turn()
        edges = [SceneEdge(cursor=paging.encode(scene_key(row)), node=as_scene(row)) for row in page.items]
        return SceneConnection(
            edges=edges,
            nodes=[edge.node for edge in edges],
            page_info=page_info(page, [edge.cursor for edge in edges]),
            asked=(root.id, wanted),
        )

    @strawberry.field(description="A scene of THIS job; null when the id belongs to another.")
    @staticmethod
    async def scene(root: strawberry.Parent[JobRow], info: Info, id: strawberry.ID) -> Scene | None:
        """One of its scenes."""
        row = await info.context.loaders.scene.load(id)
        return as_scene(row) if row is not None and row.job_id == root.id else None

    @strawberry.field(
        description=(
            "The log, oldest first: the same events and positions as Subscription.jobEvents, for clients that poll."
        )
    )
    @staticmethod
    async def events(
        root: strawberry.Parent[JobRow], info: Info, first: int = 100, after: int | None = strawberry.UNSET
    ) -> list[AnEvent]:
        """What happened after a version."""
        paging.window(first=first, after=None, last=None, before=None)
        if (given(after) or 0) < 0:
            raise Invalid("after must be a version, 0 or more.", ["after"])
        rows = await info.context.loaders.events.load((root.id, (given(after) or 0, first)))
        return cast("list[JobEvent]", rows)


@strawberry.type
class JobEdge:
    """A job in a list."""

    cursor: str
    node: Job


@strawberry.type
class JobConnection:
    """A page of jobs."""

    edges: list[JobEdge]
    nodes: list[Job]
    page_info: PageInfo
    wanted: strawberry.Private[JobsWanted]

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        """How many there are, whatever the page."""
        async with info.context.store.read() as connection:
            return await jobs_count(connection, info.context.viewer, self.wanted)


def as_job(row: JobRow) -> Job:
    """A row stands in for the type: same names, no copy."""
    return cast("Job", row)
