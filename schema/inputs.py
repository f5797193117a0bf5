"""The inputs of job and scene operations, and their conversion to the coordinator's inputs."""

from datetime import datetime
from typing import Any, TypeVar, cast

import strawberry

from coordinator.commands.inputs import JobEdit, NewJob, NewScene, ReportedFailure, SceneEdit, SceneTarget
from models.domain.rules import TITLE_CHARACTERS, Problems
from models.reads.listing import JobQuery
from schema.enums import JobOrderField, JobStatus, OrderDirection, SceneStatus
from schema.scalars import JSONObject

T = TypeVar("T")

_UPDATE = "An omitted field keeps its value; null clears a nullable field. metadata is replaced as a whole."
_EXPECTED_JOB_VERSION = "Fail with STALE_VERSION unless Job.version has this value."
_EXPECTED_SCENE_VERSION = "Fail with STALE_VERSION unless Scene.version has this value."
_IDEMPOTENCY_KEY = (
    "A retry with the same key and the same input within 24 hours returns the first result and changes nothing; "
    "another input with the same key fails with IDEMPOTENCY_CONFLICT."
)
_OWN_JOB = "When given, fail with SCENE_NOT_IN_JOB unless the scene belongs to this job."
_METADATA = "The client's own data; at most 16 KiB of JSON."
_TITLE = "1 to 200 characters."
_PROMPT = "1 to 4,000 characters, in one or several lines."
_DURATION = "Length of the clip, 0.5 to 60 seconds."


def given(value: T | None) -> T | None:
    """Return the value of an argument, or None when it was omitted."""
    return None if value is strawberry.UNSET else value


def _edit(source: object, *names: str) -> dict[str, Any]:
    """Return the named fields that were given, null included."""
    fields = {name: getattr(source, name) for name in names}
    return {name: value for name, value in fields.items() if value is not strawberry.UNSET}


@strawberry.input(description="Select jobs that match every given field.")
class JobFilter:
    """See `job_query`."""

    status: list[JobStatus] | None = strawberry.field(default=strawberry.UNSET, description="Any of these statuses.")
    search: str | None = strawberry.field(
        default=strawberry.UNSET, description="A part of the title, in any case (Unicode case folding)."
    )
    updated_since: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Changed at or after this instant."
    )
    owner_id: strawberry.ID | None = strawberry.UNSET


@strawberry.input(description="The order of a list of jobs; equal values are ordered by id.")
class JobOrder:
    """See `job_query`."""

    field: JobOrderField = JobOrderField.CREATED_AT
    direction: OrderDirection = OrderDirection.DESC


def job_query(filter: JobFilter | None, order: JobOrder | None, *, include_deleted: bool = False) -> JobQuery:
    """Convert filter and order. Raises DomainErrors for a search or an owner that no job can have."""
    criteria, ordering = filter or JobFilter(), order or JobOrder()
    search, owner_id = given(criteria.search), given(criteria.owner_id)
    problems = Problems()
    problems.text(search, ["filter", "search"], max_characters=TITLE_CHARACTERS, required=False)
    problems.text(owner_id, ["filter", "ownerId"], max_characters=TITLE_CHARACTERS, required=False)
    problems.check()
    return JobQuery(
        status=given(criteria.status),
        search=search,
        updated_since=given(criteria.updated_since),
        owner_id=owner_id,
        include_deleted=include_deleted,
        order=ordering.field,
        descending=ordering.direction is OrderDirection.DESC,
    )


@strawberry.input(description="A new scene.")
class NewSceneInput:
    """Part of createJob and addScene."""

    prompt: str = strawberry.field(description=_PROMPT)
    title: str | None = strawberry.field(default=strawberry.UNSET, description=_TITLE)
    duration_seconds: float | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_DURATION} 5 when omitted."
    )
    metadata: JSONObject | None = strawberry.field(default=strawberry.UNSET, description=_METADATA)

    def new_scene(self) -> NewScene:
        """Convert to the coordinator's input."""
        return NewScene(self.prompt, given(self.title), given(self.duration_seconds), given(self.metadata))


@strawberry.input(description="A new job.")
class CreateJobInput:
    """The input of createJob."""

    title: str = strawberry.field(description=_TITLE)
    scenes: list[NewSceneInput] = strawberry.field(
        default_factory=list[NewSceneInput], description="In play order; at most 200."
    )
    provider: str | None = strawberry.field(
        default=strawberry.UNSET, description="One of ServerInfo.providers; the server's default when omitted."
    )
    metadata: JSONObject | None = strawberry.field(default=strawberry.UNSET, description=_METADATA)
    start: bool = strawberry.field(default=False, description="Start the job in the same transaction.")
    idempotency_key: str | None = strawberry.field(default=strawberry.UNSET, description=_IDEMPOTENCY_KEY)

    def new_job(self) -> NewJob:
        """Convert to the coordinator's input."""
        return NewJob(
            title=self.title,
            scenes=[scene.new_scene() for scene in self.scenes],
            provider=given(self.provider),
            metadata=given(self.metadata),
            start=self.start,
            idempotency_key=given(self.idempotency_key),
        )


@strawberry.input(description=_UPDATE)
class UpdateJobInput:
    """The input of updateJob."""

    job_id: strawberry.ID
    title: str | None = strawberry.field(default=strawberry.UNSET, description=_TITLE)
    metadata: JSONObject | None = strawberry.field(default=strawberry.UNSET, description=_METADATA)
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_JOB_VERSION)

    def edit(self) -> JobEdit:
        """Return the given fields."""
        return cast("JobEdit", _edit(self, "title", "metadata"))


@strawberry.input(description="The job that a mutation acts on.")
class JobActionInput:
    """The input of startJob, cancelJob, deleteJob and restoreJob."""

    job_id: strawberry.ID
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_JOB_VERSION)
    idempotency_key: str | None = strawberry.field(default=strawberry.UNSET, description=_IDEMPOTENCY_KEY)


@strawberry.input(description="A scene to add to a job.")
class AddSceneInput:
    """The input of addScene."""

    job_id: strawberry.ID
    scene: NewSceneInput
    position: int | None = strawberry.field(
        default=strawberry.UNSET, description="0-based position in play order; at the end when omitted."
    )
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_JOB_VERSION)
    idempotency_key: str | None = strawberry.field(default=strawberry.UNSET, description=_IDEMPOTENCY_KEY)


@strawberry.input(description="Why a scene failed, as reported by its worker.")
class FailureInput:
    """Part of updateScene."""

    code: str
    message: str
    retryable: bool = False


@strawberry.input(description=_UPDATE)
class UpdateSceneInput:
    """The input of updateScene: edits by the owner, reports by an external worker."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_OWN_JOB)
    title: str | None = strawberry.field(default=strawberry.UNSET, description=_TITLE)
    prompt: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_PROMPT} A take that has started keeps its prompt."
    )
    duration_seconds: float | None = strawberry.field(default=strawberry.UNSET, description=_DURATION)
    metadata: JSONObject | None = strawberry.field(default=strawberry.UNSET, description=_METADATA)
    status: SceneStatus | None = strawberry.field(
        default=strawberry.UNSET,
        description="One of Scene.allowedTransitions; the current status is accepted too and changes nothing.",
    )
    provider_id: str | None = strawberry.field(
        default=strawberry.UNSET, description="The provider's id for the current take."
    )
    percentage: float | None = strawberry.field(
        default=strawberry.UNSET, description="0 to 100 with status PROCESSING, or 100 with COMPLETED."
    )
    output_url: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="http or https address of the clip, with status PROCESSING or COMPLETED.",
    )
    failure: FailureInput | None = strawberry.field(default=strawberry.UNSET, description="With status FAILED.")
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_SCENE_VERSION)

    def edit(self) -> SceneEdit:
        """Return the given fields."""
        names = ("title", "prompt", "duration_seconds", "metadata", "status", "provider_id", "percentage")
        edit = cast("SceneEdit", _edit(self, *names, "output_url"))
        failure = given(self.failure)
        if failure is not None:
            edit["failure"] = ReportedFailure(code=failure.code, message=failure.message, retryable=failure.retryable)
        return edit


@strawberry.input(description="A completed, failed or canceled scene to render again.")
class RegenerateSceneInput:
    """The input of regenerateScene."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_OWN_JOB)
    prompt: str | None = strawberry.field(
        default=strawberry.UNSET, description=f"{_PROMPT} The scene's prompt when omitted."
    )
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_SCENE_VERSION)
    idempotency_key: str | None = strawberry.field(default=strawberry.UNSET, description=_IDEMPOTENCY_KEY)


@strawberry.input(description="The scene that a mutation acts on.")
class SceneActionInput:
    """The input of cancelScene, deleteScene and restoreScene."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_OWN_JOB)
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_SCENE_VERSION)


@strawberry.input(description="A live scene and its new position.")
class MoveSceneInput:
    """The input of moveScene."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_OWN_JOB)
    position: int = strawberry.field(description="0-based position in play order.")
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_SCENE_VERSION)


@strawberry.input(description="A completed take for its scene to show.")
class SelectTakeInput:
    """The input of selectTake."""

    take_id: strawberry.ID
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_SCENE_VERSION)


@strawberry.input(description="The new play order of a job.")
class ReorderScenesInput:
    """The input of reorderScenes."""

    job_id: strawberry.ID
    scene_ids: list[strawberry.ID] = strawberry.field(description="Every live scene exactly once.")
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_EXPECTED_JOB_VERSION)


def target(
    source: UpdateSceneInput | RegenerateSceneInput | SceneActionInput | MoveSceneInput,
) -> SceneTarget:
    """Return the scene that the input names, with the job and the version that it expects."""
    return SceneTarget(source.scene_id, given(source.job_id), given(source.expected_version))
