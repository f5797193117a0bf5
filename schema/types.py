"""Job and Scene, and what refers to both. They refer to each other, so they live in one file.

Values are the light rows of `models.db.rows`: plain columns need no resolver, a relation asks a loader.
"""

from datetime import datetime
from typing import cast

import strawberry

from coordinator.commands.deletion import may_return
from models.db.rows import EventRow, JobRow, SceneRow
from models.domain import lifecycle, paging
from models.domain.access import Act, may_do
from models.domain.errors import Invalid
from models.domain.lifecycle import OPEN, SETTLED_SCENE
from models.reads.listing import JobQuery, SceneQuery, jobs_count, scene_key
from schema.context import Info
from schema.enums import EventType, JobStatus, SceneAction, SceneStatus
from schema.inputs import given
from schema.media import Media, live_frame, media
from schema.nodes import Node, PageInfo, page_info
from schema.progress import JobProgress, gone, progress_of
from schema.scalars import JSONObject
from schema.takes import SceneFailure, SceneTake, scene_failure

LONG_LIST = 50


@strawberry.type
class Scene(Node):
    """Read from `SceneRow`."""

    job_id: strawberry.ID
    position: int = strawberry.field(
        description=(
            "0-based and dense among the live scenes of the job. Of a deleted scene, its place in the order of live "
            "and deleted ones together, to which it can return."
        )
    )
    title: str | None
    prompt: str
    duration_seconds: float = strawberry.field(description="Length asked for, in seconds.")
    status: SceneStatus
    percentage: float | None = strawberry.field(
        description="0..100 of the current take; null when the provider gives no figure."
    )
    provider: str
    provider_id: str | None = strawberry.field(
        description=(
            "The provider's id of the current take, e.g. a prediction id. Null after a regenerate until submitted."
        )
    )
    attempts: int = strawberry.field(description="Takes started so far, automatic retries included.")
    max_attempts: int = strawberry.field(
        description="How many takes may be started before the scene fails; a regenerate grants as many again."
    )
    next_attempt_at: datetime | None = strawberry.field(description="Set while an automatic retry is waiting.")
    metadata: JSONObject
    version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    purge_after: datetime | None

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Rows stand in for the type."""
        return isinstance(value, SceneRow)

    @strawberry.field
    @staticmethod
    async def job(root: strawberry.Parent[SceneRow], info: Info) -> "Job":
        """The job it belongs to."""
        row = await info.context.loaders.job.load(root.job_id)
        if row is None:
            raise gone(root.job_id)
        return as_job(row)

    @strawberry.field(description="Takes in front of this one; null when not waiting.")
    @staticmethod
    async def queue_position(root: strawberry.Parent[SceneRow], info: Info) -> int | None:
        """Counted over all jobs."""
        if root.status is not SceneStatus.PENDING or root.queued_at is None:
            return None
        return await info.context.loaders.queue_position.load(root.id)

    @strawberry.field(
        description=(
            "The clip of the current take; null after a regenerate. Earlier clips stay reachable through takes."
        )
    )
    @staticmethod
    def output(root: strawberry.Parent[SceneRow], info: Info) -> Media | None:
        """The clip."""
        return media(info.context, root.output)

    @strawberry.field
    @staticmethod
    def poster(root: strawberry.Parent[SceneRow], info: Info) -> Media | None:
        """A still."""
        return media(info.context, root.poster)

    @strawberry.field(
        description="A short animated preview; while processing, the newest frame if the provider gives one."
    )
    @staticmethod
    def preview(root: strawberry.Parent[SceneRow], info: Info) -> Media | None:
        """The preview, or the live frame."""
        if root.status is SceneStatus.PROCESSING and root.frame is not None:
            return live_frame(info.context, root.take_id, root.frame)
        return media(info.context, root.preview)

    @strawberry.field
    @staticmethod
    def failure(root: strawberry.Parent[SceneRow]) -> SceneFailure | None:
        """Why the last take failed, also while a retry is waiting."""
        return scene_failure(root.failure)

    @strawberry.field
    @staticmethod
    async def current_take(root: strawberry.Parent[SceneRow], info: Info) -> SceneTake | None:
        """The take whose clip the scene shows."""
        return cast("SceneTake | None", await info.context.loaders.take.load(root.take_id))

    @strawberry.field(description="Newest first.")
    @staticmethod
    async def takes(root: strawberry.Parent[SceneRow], info: Info, first: int = 20) -> list[SceneTake]:
        """Every attempt."""
        paging.window(first=first, after=None, last=None, before=None)
        return cast("list[SceneTake]", await info.context.loaders.takes.load((root.id, first)))

    @strawberry.field(
        description=(
            "What this caller may do now, so that no client re-implements the rules. How often a scene may be "
            "regenerated is told by Viewer.regenerateQuota."
        )
    )
    @staticmethod
    async def available_actions(root: strawberry.Parent[SceneRow], info: Info) -> list[SceneAction]:
        """What the mutations would accept."""
        if root.job_deleted_at is not None:
            return []
        loaders, owner = info.context.loaders, may_do(info.context.viewer, root, Act.CHANGE)
        if root.deleted_at is not None:
            job = await loaders.job.load(root.job_id) if owner else None
            return [SceneAction.RESTORE] if may_return(root, job) else []
        if not owner:
            return [SceneAction.UPDATE]
        actions = [SceneAction.UPDATE, SceneAction.MOVE]
        if root.status in SETTLED_SCENE:
            actions.append(SceneAction.REGENERATE)
            # Most scenes have one take: nothing to look for.
            if root.newest_take > 1 and await loaders.with_other_clips.load(root.id):
                actions.append(SceneAction.SELECT_TAKE)
        if root.status in OPEN:
            actions.append(SceneAction.CANCEL)
        if root.job_status is not JobStatus.PROCESSING:
            actions.append(SceneAction.DELETE)
        return actions

    @strawberry.field(description="Statuses that updateScene would accept now.")
    @staticmethod
    def allowed_transitions(root: strawberry.Parent[SceneRow]) -> list[SceneStatus]:
        """From the lifecycle table."""
        if root.deleted_at is not None or root.job_deleted_at is not None:
            return []
        return list(lifecycle.TRANSITIONS[root.status])


@strawberry.type
class SceneEdge:
    """A scene in a list."""

    cursor: str
    node: Scene


@strawberry.type
class SceneConnection:
    """A page of scenes, in play order."""

    edges: list[SceneEdge]
    nodes: list[Scene]
    page_info: PageInfo
    asked: strawberry.Private[tuple[str, SceneQuery]]

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        """How many there are, whatever the page."""
        return await info.context.loaders.scenes_count.load(self.asked)


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
        wanted = SceneQuery(window, None if statuses is None else tuple(statuses), include_deleted)
        page = await info.context.loaders.scenes.load((root.id, wanted))
        if len(page.items) > LONG_LIST:
            await info.context.yield_to_others()
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
    ) -> list["JobEvent"]:
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
    wanted: strawberry.Private[JobQuery]

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        """How many there are, whatever the page."""
        async with info.context.store.read() as connection:
            return await jobs_count(connection, info.context.viewer, self.wanted)


@strawberry.type
class JobEvent:
    """Read from `EventRow`."""

    version: int = strawberry.field(description="Position in the job's log: 1, 2, 3, … without holes.")
    type: EventType
    job_id: strawberry.ID
    scene_id: strawberry.ID | None
    occurred_at: datetime
    actor_id: strawberry.ID | None = strawberry.field(description="Who caused it; null for the system.")
    changed: list[str] = strawberry.field(description="Names of the fields that changed.")

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Rows stand in for the type."""
        return isinstance(value, EventRow)

    @strawberry.field(description="As of now, which may be newer than the event; null once purged.")
    @staticmethod
    async def scene(root: strawberry.Parent[EventRow], info: Info) -> Scene | None:
        """The scene it is about."""
        if root.scene_id is None:
            return None
        row = await info.context.loaders.scene.load(root.scene_id)
        return None if row is None else as_scene(row)

    @strawberry.field
    @staticmethod
    async def job(root: strawberry.Parent[EventRow], info: Info) -> Job | None:
        """The job, as of now."""
        row = await info.context.loaders.job.load(root.job_id)
        return None if row is None else as_job(row)

    @strawberry.field
    @staticmethod
    async def progress(root: strawberry.Parent[EventRow], info: Info) -> JobProgress:
        """How far the job is, as of now."""
        return await progress_of(info.context, root.job_id)


def as_job(row: JobRow) -> Job:
    """A row stands in for the type: same names, no copy."""
    return cast("Job", row)


def as_scene(row: SceneRow) -> Scene:
    """A row stands in for the type: same names, no copy."""
    return cast("Scene", row)
