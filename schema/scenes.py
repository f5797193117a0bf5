"""One clip of a job, and lists of them.

Values are the light rows of `models.rows`: plain columns need no resolver, a relation asks a loader.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, cast

import strawberry

from coordinator.deletion import may_return
from models import lifecycle, paging
from models.access import Act, may_do
from models.lifecycle import OPEN, SETTLED_SCENE
from models.listing import ScenesWanted
from models.rows import SceneRow
from schema.context import Info
from schema.enums import JobStatus, SceneAction, SceneStatus
from schema.media import Media, live_frame, media
from schema.nodes import Node, PageInfo
from schema.progress import gone
from schema.scalars import JSONObject
from schema.takes import SceneFailure, SceneTake, scene_failure

if TYPE_CHECKING:
    from schema.jobs import Job

AJob = Annotated["Job", strawberry.lazy("schema.jobs")]


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
    async def job(root: strawberry.Parent[SceneRow], info: Info) -> AJob:
        """The job it belongs to."""
        row = await info.context.loaders.job.load(root.job_id)
        if row is None:
            raise gone(root.job_id)
        return cast("Job", row)

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
    asked: strawberry.Private[tuple[str, ScenesWanted]]

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        """How many there are, whatever the page."""
        return await info.context.loaders.scenes_count.load(self.asked)


def as_scene(row: SceneRow) -> Scene:
    """A row stands in for the type: same names, no copy."""
    return cast("Scene", row)
