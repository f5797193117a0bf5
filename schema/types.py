"""Scene, Job and JobEvent. They refer to each other, so they live in one file: two would need lazy types.

Values are rows of `models.db.rows`: columns are read as attributes, relations through the loaders.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, cast

import strawberry

from coordinator.commands.deletion import is_restorable
from execution.relations import FROM_ROW, NEEDS, Selected
from execution.versions import FragmentOf, VersionedColumns
from models.db.rows import EventRow, JobRow, SceneRow, TakeRow
from models.domain import lifecycle, paging
from models.domain.access import LEASED, Act, may_do
from models.domain.errors import Invalid
from models.domain.lifecycle import OPEN, SETTLED_SCENE
from models.domain.paging import Page
from models.reads.listing import (
    SCENE_KEY,
    JobQuery,
    SceneQuery,
    jobs_count,
    narrow_scene_key,
    scene_key,
)
from schema.adjustments import OutputAdjustment, adjustments
from schema.context import Context, Info
from schema.enums import EventType, JobStatus, SceneAction, SceneStatus
from schema.failures import SceneFailure, scene_failure
from schema.inputs import given
from schema.media import Media, live_frame, media
from schema.narrow import JOBS, SCENES, TAKES, with_columns
from schema.nodes import Node, PageInfo, page_info
from schema.progress import PROGRESS_OF_ROW, JobProgress, gone, progress_of
from schema.relations import (
    Arguments,
    LazyConnection,
    Parents,
    by_id,
    load_queue_positions,
    load_takes,
    load_waiting_for,
    narrow_events,
    progress,
    relation,
    rows,
)
from schema.scalars import JSONObject
from schema.settings import RenderSettings, render_settings
from schema.takes import RenderInput, SceneTake, render_inputs
from schema.versions import (
    FROM_ROWS,
    JOB_FRAGMENT,
    OF_LIVE_SCENES,
    WITH_CATALOGUE,
    WITH_FRAMES,
    WITH_JOB,
    WITH_LINKS,
)

NEEDS_OF_ACTIONS = (
    *("id", "job_id", "status", "newest_take", "deleted_at", "purge_after"),
    *("owner_id", "provider", "job_status", "job_deleted_at"),
)
"""What `Scene.availableActions` reads of a scene, with the rules that it asks."""


def scene_query(
    *,
    first: int | None = strawberry.UNSET,
    after: str | None = strawberry.UNSET,
    last: int | None = strawberry.UNSET,
    before: str | None = strawberry.UNSET,
    status: list[SceneStatus] | None = strawberry.UNSET,
    include_deleted: bool = False,
) -> SceneQuery:
    """Return the query of the arguments of `Job.scenes`. Raises Invalid."""
    window = paging.window(first=given(first), after=given(after), last=given(last), before=given(before), default=None)
    statuses = given(status)
    return SceneQuery(window, None if statuses is None else tuple(statuses), include_deleted)


def event_span(first: int = 100, after: int | None = strawberry.UNSET) -> tuple[int, int]:
    """Return the version before the first event and the number of events of `Job.events`. Raises Invalid."""
    paging.window(first=first, after=None, last=None, before=None)
    if (given(after) or 0) < 0:
        raise Invalid("after must be a version, 0 or more.", ["after"])
    return given(after) or 0, first


async def load_scenes(context: Context, parents: Parents, arguments: Arguments, selected: Selected) -> Sequence[Any]:
    """Read `Job.scenes`."""
    query = scene_query(**arguments)
    ids = [job_id for (job_id,) in parents]
    if not selected.columns:
        pages = await context.loaders.scenes.load_many([(each, query) for each in ids])
        return [LazyConnection(page, scene_key, (each, query)) for each, page in zip(ids, pages, strict=True)]
    if not selected.fields & {"nodes", "edges", "pageInfo"}:
        return [LazyConnection(Page((), False, False), scene_key, (each, query)) for each in ids]
    columns = with_columns(selected.columns, *SCENE_KEY)
    key = narrow_scene_key(columns)
    found = await context.loaders.narrow.scenes_of_jobs(ids, query, columns)
    return [LazyConnection(found[each], key, (each, query)) for each in ids]


async def load_scene_of_job(
    context: Context, parents: Parents, arguments: Arguments, selected: Selected
) -> Sequence[Any]:
    """Read `Job.scene`."""
    needed = selected._replace(columns=with_columns(selected.columns, "job_id") if selected.columns else ())
    (row,) = await rows(context, SCENES, [arguments["id"]], needed)
    if row is None:
        return [None] * len(parents)
    of_job: str = row[needed.columns.index("job_id")] if needed.columns else row.job_id
    return [row if of_job == job_id else None for (job_id,) in parents]


async def load_events(context: Context, parents: Parents, arguments: Arguments, selected: Selected) -> Sequence[Any]:
    """Read `Job.events`."""
    span = event_span(**arguments)
    ids = [job_id for (job_id,) in parents]
    if not selected.columns:
        return await context.loaders.events.load_many([(each, span) for each in ids])
    return await narrow_events(context, ids, *span, selected.columns)


@strawberry.type(
    description=(
        "One clip of a job's video. Its prompt is rendered by a provider; each attempt is a take. A scene that is not "
        "deleted is called live."
    )
)
class Scene(Node):
    """Read from `SceneRow`."""

    versioned_columns: ClassVar = VersionedColumns(moving=frozenset({"percentage"}))

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

    row_class: ClassVar = SceneRow

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, SceneRow)

    @strawberry.field(
        description="The job that the scene belongs to.",
        metadata=WITH_JOB | relation(("job_id",), by_id(JOBS, gone), JobRow, computes=True),
    )
    @staticmethod
    async def job(root: strawberry.Parent[SceneRow], info: Info) -> "Job":
        row = await info.context.loaders.job.load(root.job_id)
        if row is None:
            raise gone(root.job_id)
        return cast("Job", row)

    @strawberry.field(
        description="Number of takes of the provider ahead of this scene, over all jobs; null when it is not queued.",
        metadata=FROM_ROWS | relation(("id", "status", "queued_at"), load_queue_positions),
    )
    @staticmethod
    async def queue_position(root: strawberry.Parent[SceneRow], info: Info) -> int | None:
        if root.status is not SceneStatus.PENDING or root.queued_at is None:
            return None
        return await info.context.loaders.queue_position.load(root.id)

    @strawberry.field(
        description=(
            'Why no worker can lease the queued take: "no worker is connected", "no worker has the model", "no worker '
            'has the labels" or "all workers that fit are unhealthy". Null when a worker can, when the scene is not '
            'queued, and for providers other than "leased".'
        ),
        metadata=relation(("id", "status", "queued_at"), load_waiting_for),
    )
    @staticmethod
    async def waiting_for(root: strawberry.Parent[SceneRow], info: Info) -> str | None:
        if root.status is not SceneStatus.PENDING or root.queued_at is None:
            return None
        return await info.context.loaders.waiting_for.load(root.id)

    @strawberry.field(
        description="The settings of the next take. Each one is the scene's own, else the job's, else the model's.",
        metadata=WITH_CATALOGUE | {NEEDS: ("provider", "settings", "job_settings")},
    )
    @staticmethod
    def settings(root: strawberry.Parent[SceneRow], info: Info) -> RenderSettings:
        models = info.context.coordinator.catalogue.latest
        return render_settings(root.provider, models.effective(root.provider, root.settings, root.job_settings))

    @strawberry.field(
        description="The scene's own settings, which override those of the job.",
        metadata=WITH_JOB | {NEEDS: ("provider", "settings")},
    )
    @staticmethod
    def own_settings(root: strawberry.Parent[SceneRow]) -> RenderSettings:
        return render_settings(root.provider, root.settings)

    @strawberry.field(description="The input files of the next take.", metadata=WITH_JOB | {NEEDS: ("inputs",)})
    @staticmethod
    def inputs(root: strawberry.Parent[SceneRow]) -> list[RenderInput]:
        return render_inputs(root.inputs)

    @strawberry.field(
        description="The clip of the current take; null after a regenerate. Earlier clips remain available in takes.",
        metadata=WITH_LINKS | {NEEDS: ("output",)},
    )
    @staticmethod
    def output(root: strawberry.Parent[SceneRow], info: Info) -> Media | None:
        return media(info.context, root.output)

    @strawberry.field(description="A still image of the clip.", metadata=WITH_LINKS | {NEEDS: ("poster",)})
    @staticmethod
    def poster(root: strawberry.Parent[SceneRow], info: Info) -> Media | None:
        return media(info.context, root.poster)

    @strawberry.field(
        description=(
            "A short animated preview; while the scene is processing, the newest frame if the provider has one."
        ),
        metadata=WITH_FRAMES | {NEEDS: ("status", "frame", "take_id", "preview")},
    )
    @staticmethod
    def preview(root: strawberry.Parent[SceneRow], info: Info) -> Media | None:
        if root.status is SceneStatus.PROCESSING and root.frame is not None:
            return live_frame(info.context, root.take_id, root.frame)
        return media(info.context, root.preview)

    @strawberry.field(
        description="Why the last take failed; also set while an automatic retry is scheduled.",
        metadata=WITH_JOB | {NEEDS: ("failure",)},
    )
    @staticmethod
    def failure(root: strawberry.Parent[SceneRow]) -> SceneFailure | None:
        return scene_failure(root.failure)

    @strawberry.field(
        description="The take whose clip the scene shows.",
        metadata=WITH_JOB | relation(("take_id",), by_id(TAKES), TakeRow),
    )
    @staticmethod
    async def current_take(root: strawberry.Parent[SceneRow], info: Info) -> SceneTake | None:
        return cast("SceneTake | None", await info.context.loaders.take.load(root.take_id))

    @strawberry.field(
        description="All takes, newest first.", metadata=WITH_JOB | relation(("id",), load_takes, TakeRow)
    )
    @staticmethod
    async def takes(root: strawberry.Parent[SceneRow], info: Info, first: int = 20) -> list[SceneTake]:
        paging.window(first=first, after=None, last=None, before=None)
        return cast("list[SceneTake]", await info.context.loaders.takes.load((root.id, first)))

    @strawberry.field(
        description=(
            "What the caller may do to the scene now, so that clients need not repeat the rules. The quota of "
            "regenerates is in Viewer.regenerateQuota."
        ),
        metadata={NEEDS: NEEDS_OF_ACTIONS},
    )
    @staticmethod
    async def available_actions(root: strawberry.Parent[SceneRow], info: Info) -> list[SceneAction]:
        viewer = info.context.viewer
        if root.job_deleted_at is not None or not may_do(viewer, root, Act.REPORT):
            return []
        loaders, owner = info.context.loaders, may_do(viewer, root, Act.CHANGE)
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

    @strawberry.field(
        description="The statuses that updateScene would accept now.",
        metadata=WITH_JOB | {NEEDS: ("status", "provider", "deleted_at", "job_deleted_at")},
    )
    @staticmethod
    def allowed_transitions(root: strawberry.Parent[SceneRow]) -> list[SceneStatus]:
        if root.deleted_at is not None or root.job_deleted_at is not None:
            return []
        if root.provider == LEASED and root.status is SceneStatus.PROCESSING:
            # Its worker reports by its lease.
            return [SceneStatus.CANCELED]
        return list(lifecycle.TRANSITIONS[root.status])


@strawberry.type
class SceneEdge:
    """A scene and its cursor."""

    versioned_columns: ClassVar = VersionedColumns()

    cursor: str
    node: Scene


@strawberry.type(description="A page of a job's scenes, in play order.")
class SceneConnection:
    """`query` is the job's id and the filter, for the total count."""

    versioned_columns: ClassVar = VersionedColumns()

    edges: list[SceneEdge]
    nodes: list[Scene]
    page_info: PageInfo
    query: strawberry.Private[tuple[str, SceneQuery]]

    @strawberry.field(description="Number of scenes on all pages.", metadata=WITH_JOB)
    async def total_count(self, info: Info) -> int:
        return await info.context.loaders.scenes_count.load(self.query)


def as_scene(row: SceneRow) -> Scene:
    """Return a row as the type that it stands in for; it is not copied."""
    return cast("Scene", row)


@strawberry.type(
    description=(
        "A video to be made: up to 200 scenes in play order, rendered by one provider and joined to one file. A job "
        "that is not started yet is a storyboard."
    )
)
class Job(Node):
    """Read from `JobRow`."""

    fragment_of: ClassVar[FragmentOf] = JOB_FRAGMENT
    versioned_columns: ClassVar = VersionedColumns()

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

    row_class: ClassVar = JobRow

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, JobRow)

    @strawberry.field(
        description="The current progress.",
        metadata=WITH_JOB | relation(("id",), progress(gone)) | {FROM_ROW: PROGRESS_OF_ROW},
    )
    @staticmethod
    async def progress(root: strawberry.Parent[JobRow], info: Info) -> JobProgress:
        return await progress_of(info.context, root.id)

    @strawberry.field(
        description="The default settings of its scenes.", metadata=WITH_JOB | {NEEDS: ("provider", "settings")}
    )
    @staticmethod
    def settings(root: strawberry.Parent[JobRow]) -> RenderSettings:
        return render_settings(root.provider, root.settings)

    @strawberry.field(
        description=(
            "The assembled video. Null until every live scene is completed, and again while it is assembled after a "
            "scene was regenerated, moved, deleted, restored or got another take. It arrives after the job has "
            "settled, as a JOB_UPDATED event with changed output: wait for it with jobEvents without untilSettled, or "
            "with jobProgress until currentStage is no longer ASSEMBLING."
        ),
        metadata=WITH_LINKS | {NEEDS: ("output",)},
    )
    @staticmethod
    def output(root: strawberry.Parent[JobRow], info: Info) -> Media | None:
        return media(info.context, root.output)

    @strawberry.field(
        description="The changes made to the clips to join them; empty while there is no output.",
        metadata=WITH_JOB | {NEEDS: ("output",)},
    )
    @staticmethod
    def output_adjustments(root: strawberry.Parent[JobRow]) -> list[OutputAdjustment]:
        return adjustments(root.output)

    @strawberry.field(
        description=(
            "Why the clips could not be assembled; the scenes stay completed. CLIP_ELSEWHERE: a clip is stored outside "
            "this server. NO_CLIP: a scene has no clip. CLIP_UNREADABLE, CLIP_TRUNCATED, CLIP_WITHOUT_PICTURE, "
            "CLIP_TOO_LONG, CLIP_TOO_LARGE: a clip cannot be played; the message names its scene. JOIN_TOO_LARGE, "
            "JOIN_TIMEOUT: the assembly exceeded its limit of memory or time. It is attempted again when a scene is "
            "regenerated, moved, deleted, restored or gets another take."
        ),
        metadata=WITH_JOB | {NEEDS: ("output_failure",)},
    )
    @staticmethod
    def output_failure(root: strawberry.Parent[JobRow]) -> SceneFailure | None:
        return scene_failure(root.output_failure)

    @strawberry.field(
        description="The scenes in play order; all of them when neither first nor last is given.",
        metadata=OF_LIVE_SCENES | relation(("id",), load_scenes, SceneRow, "nodes", "edges.node"),
    )
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
        query = scene_query(
            first=first, after=after, last=last, before=before, status=status, include_deleted=include_deleted
        )
        page = await info.context.loaders.scenes.load((root.id, query))
        await info.context.give_way(len(page.items))
        edges = [SceneEdge(cursor=paging.encode(scene_key(row)), node=as_scene(row)) for row in page.items]
        return SceneConnection(
            edges=edges,
            nodes=[edge.node for edge in edges],
            page_info=page_info(page, [edge.cursor for edge in edges]),
            query=(root.id, query),
        )

    @strawberry.field(
        description="One scene of this job; null when the id belongs to another job.",
        metadata=FROM_ROWS | relation(("id",), load_scene_of_job, SceneRow),
    )
    @staticmethod
    async def scene(root: strawberry.Parent[JobRow], info: Info, id: strawberry.ID) -> Scene | None:
        row = await info.context.loaders.scene.load(id)
        return as_scene(row) if row is not None and row.job_id == root.id else None

    @strawberry.field(
        description=(
            "The event log after a version, oldest first, for clients that poll: the same events and versions as in "
            "Subscription.jobEvents."
        ),
        metadata=FROM_ROWS | relation(("id",), load_events, EventRow),
    )
    @staticmethod
    async def events(
        root: strawberry.Parent[JobRow], info: Info, first: int = 100, after: int | None = strawberry.UNSET
    ) -> list["JobEvent"]:
        rows = await info.context.loaders.events.load((root.id, event_span(first, after)))
        await info.context.give_way(len(rows))
        return cast("list[JobEvent]", rows)


@strawberry.type
class JobEdge:
    """A job and its cursor."""

    stored_columns: ClassVar = True

    cursor: str
    node: Job


@strawberry.type(description="A page of jobs.")
class JobConnection:
    """`query` is kept for the total count."""

    stored_columns: ClassVar = True

    edges: list[JobEdge]
    nodes: list[Job]
    page_info: PageInfo
    query: strawberry.Private[JobQuery]

    @strawberry.field(description="Number of jobs on all pages.", metadata=FROM_ROWS)
    async def total_count(self, info: Info) -> int:
        async with info.context.snapshot.read() as connection:
            return await jobs_count(connection, info.context.viewer, self.query)


@strawberry.type(description="One entry of a job's event log.")
class JobEvent:
    """Read from `EventRow`."""

    stored_columns: ClassVar = True

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

    row_class: ClassVar = EventRow

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        """Return whether a row stands in for this type."""
        return isinstance(value, EventRow)

    @strawberry.field(
        description="The scene in its current state, which may be newer than the event; null once it is purged.",
        metadata=FROM_ROWS | relation(("scene_id",), by_id(SCENES), SceneRow),
    )
    @staticmethod
    async def scene(root: strawberry.Parent[EventRow], info: Info) -> Scene | None:
        if root.scene_id is None:
            return None
        row = await info.context.loaders.scene.load(root.scene_id)
        return None if row is None else as_scene(row)

    @strawberry.field(
        description="The job in its current state, which may be newer than the event.",
        metadata=FROM_ROWS | relation(("job_id",), by_id(JOBS), JobRow, computes=True),
    )
    @staticmethod
    async def job(root: strawberry.Parent[EventRow], info: Info) -> Job | None:
        row = await info.context.loaders.job.load(root.job_id)
        return None if row is None else as_job(row)

    @strawberry.field(
        description="The current progress of the job, which may be newer than the event.",
        metadata=FROM_ROWS | relation(("job_id",), progress(gone)),
    )
    @staticmethod
    async def progress(root: strawberry.Parent[EventRow], info: Info) -> JobProgress:
        return await progress_of(info.context, root.job_id)


def as_job(row: JobRow) -> Job:
    """Return a row as the type that it stands in for; it is not copied."""
    return cast("Job", row)
