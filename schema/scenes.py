"""Scene and its connection.

A value is a `SceneRow` of `models.db.rows`: columns are read as attributes, relations through the loaders.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import strawberry

from coordinator.commands.deletion import is_restorable
from models.db.rows import SceneRow
from models.domain import lifecycle, paging
from models.domain.access import Act, may_do
from models.domain.lifecycle import OPEN, SETTLED_SCENE
from models.reads.listing import SceneQuery
from schema.context import Info
from schema.enums import JobStatus, SceneAction, SceneStatus
from schema.media import Media, live_frame, media
from schema.nodes import Node, PageInfo
from schema.progress import gone
from schema.scalars import JSONObject
from schema.takes import SceneFailure, SceneTake, scene_failure

if TYPE_CHECKING:
    from schema.jobs import Job  # which imports this module


@strawberry.type(
    description=(
        "One clip of a job's video. Its prompt is rendered by a provider; each attempt is a take. A scene that is not "
        "deleted is called live."
    )
)
class Scene(Node):
    """Read from `SceneRow`."""

    job_id: strawberry.ID
    position: int = strawberry.field(
        description=(
            "0-based position among the live scenes of the job, without gaps. For a deleted scene: its position among "
            "live and deleted scenes together, where restoreScene puts it back."
        )
    )
    title: str | None
    prompt: str
    duration_seconds: float = strawberry.field(description="Requested length of the clip in seconds.")
    status: SceneStatus
    percentage: float | None = strawberry.field(
        description="Progress of the current take, 0 to 100; null when the provider reports none."
    )
    provider: str
    provider_id: str | None = strawberry.field(
        description="The provider's id for the current take, such as a prediction id; null until it is submitted."
    )
    attempts: int = strawberry.field(description="Number of takes started so far, automatic retries included.")
    max_attempts: int = strawberry.field(
        description="Number of takes that may start before the scene fails; each regenerate adds the same number again."
    )
    next_attempt_at: datetime | None = strawberry.field(
        description="When the next automatic retry starts; null when none is scheduled."
    )
    metadata: JSONObject
    version: int = strawberry.field(description="Increases with each change of the scene; see expectedVersion.")
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    purge_after: datetime | None = strawberry.field(
        description="When the deleted scene can no longer be restored; null unless it is deleted."
    )

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, SceneRow)

    @strawberry.field(description="The job that the scene belongs to.")
    @staticmethod
    async def job(root: strawberry.Parent[SceneRow], info: Info) -> Annotated["Job", strawberry.lazy("schema.jobs")]:
        row = await info.context.loaders.job.load(root.job_id)
        if row is None:
            raise gone(root.job_id)
        return cast("Job", row)

    @strawberry.field(
        description="Number of takes ahead of this scene in the queue, over all jobs; null when it is not queued."
    )
    @staticmethod
    async def queue_position(root: strawberry.Parent[SceneRow], info: Info) -> int | None:
        if root.status is not SceneStatus.PENDING or root.queued_at is None:
            return None
        return await info.context.loaders.queue_position.load(root.id)

    @strawberry.field(
        description="The clip of the current take; null after a regenerate. Earlier clips remain available in takes."
    )
    @staticmethod
    def output(root: strawberry.Parent[SceneRow], info: Info) -> Media | None:
        return media(info.context, root.output)

    @strawberry.field(description="A still image of the clip.")
    @staticmethod
    def poster(root: strawberry.Parent[SceneRow], info: Info) -> Media | None:
        return media(info.context, root.poster)

    @strawberry.field(
        description="A short animated preview; while the scene is processing, the newest frame if the provider has one."
    )
    @staticmethod
    def preview(root: strawberry.Parent[SceneRow], info: Info) -> Media | None:
        if root.status is SceneStatus.PROCESSING and root.frame is not None:
            return live_frame(info.context, root.take_id, root.frame)
        return media(info.context, root.preview)

    @strawberry.field(description="Why the last take failed; also set while an automatic retry is scheduled.")
    @staticmethod
    def failure(root: strawberry.Parent[SceneRow]) -> SceneFailure | None:
        return scene_failure(root.failure)

    @strawberry.field(description="The take whose clip the scene shows.")
    @staticmethod
    async def current_take(root: strawberry.Parent[SceneRow], info: Info) -> SceneTake | None:
        return cast("SceneTake | None", await info.context.loaders.take.load(root.take_id))

    @strawberry.field(description="All takes, newest first.")
    @staticmethod
    async def takes(root: strawberry.Parent[SceneRow], info: Info, first: int = 20) -> list[SceneTake]:
        paging.window(first=first, after=None, last=None, before=None)
        return cast("list[SceneTake]", await info.context.loaders.takes.load((root.id, first)))

    @strawberry.field(
        description=(
            "What the caller may do to the scene now, so that clients need not repeat the rules. The quota of "
            "regenerates is in Viewer.regenerateQuota."
        )
    )
    @staticmethod
    async def available_actions(root: strawberry.Parent[SceneRow], info: Info) -> list[SceneAction]:
        if root.job_deleted_at is not None:
            return []
        loaders, owner = info.context.loaders, may_do(info.context.viewer, root, Act.CHANGE)
        if root.deleted_at is not None:
            job = await loaders.job.load(root.job_id) if owner else None
            return [SceneAction.RESTORE] if is_restorable(root, job) else []
        if not owner:
            return [SceneAction.UPDATE]
        actions = [SceneAction.UPDATE, SceneAction.MOVE]
        if root.status in SETTLED_SCENE:
            actions.append(SceneAction.REGENERATE)
            # Most scenes have one take, which needs no query.
            if root.newest_take > 1 and await loaders.with_other_clips.load(root.id):
                actions.append(SceneAction.SELECT_TAKE)
        if root.status in OPEN:
            actions.append(SceneAction.CANCEL)
        if root.job_status is not JobStatus.PROCESSING:
            actions.append(SceneAction.DELETE)
        return actions

    @strawberry.field(description="The statuses that updateScene would accept now.")
    @staticmethod
    def allowed_transitions(root: strawberry.Parent[SceneRow]) -> list[SceneStatus]:
        if root.deleted_at is not None or root.job_deleted_at is not None:
            return []
        return list(lifecycle.TRANSITIONS[root.status])


@strawberry.type
class SceneEdge:
    """A scene and its cursor."""

    cursor: str
    node: Scene


@strawberry.type(description="A page of a job's scenes, in play order.")
class SceneConnection:
    """`query` is the job's id and the filter, for the total count."""

    edges: list[SceneEdge]
    nodes: list[Scene]
    page_info: PageInfo
    query: strawberry.Private[tuple[str, SceneQuery]]

    @strawberry.field(description="Number of scenes on all pages.")
    async def total_count(self, info: Info) -> int:
        return await info.context.loaders.scenes_count.load(self.query)


def as_scene(row: SceneRow) -> Scene:
    """Return a row as the type that it stands in for; it is not copied."""
    return cast("Scene", row)
