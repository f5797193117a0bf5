"""The inputs of the contract, and how each reads in the words of the domain."""

from datetime import datetime
from typing import Any, TypeVar, cast

import strawberry

from coordinator.commands.inputs import JobEdit, NewJob, NewScene, Report, SceneEdit, SceneTarget
from models.domain.rules import TITLE_CHARACTERS, Problems
from models.reads.listing import JobQuery
from schema.enums import JobOrderField, JobStatus, OrderDirection, SceneStatus
from schema.scalars import JSONObject

T = TypeVar("T")

_ABOUT_UPDATES = (
    "Leave a field out to keep it, give null to clear it where it can be null. Metadata replaces as a whole."
)


def given(value: T | None) -> T | None:
    """The value of an argument; None when it was left out."""
    return None if value is strawberry.UNSET else value


def _edit(source: object, *names: str) -> dict[str, Any]:
    """The named fields that were given, null included."""
    fields = {name: getattr(source, name) for name in names}
    return {name: value for name, value in fields.items() if value is not strawberry.UNSET}


@strawberry.input
class JobFilter:
    """Which jobs."""

    status: list[JobStatus] | None = strawberry.UNSET
    search: str | None = strawberry.field(default=strawberry.UNSET, description="Part of the title, in any case.")
    updated_since: datetime | None = strawberry.UNSET
    owner_id: strawberry.ID | None = strawberry.UNSET


@strawberry.input
class JobOrder:
    """In which order."""

    field: JobOrderField = JobOrderField.CREATED_AT
    direction: OrderDirection = OrderDirection.DESC


def job_query(filter: JobFilter | None, order: JobOrder | None, *, include_deleted: bool = False) -> JobQuery:
    """Filter and order in the words of the domain. Raises DomainErrors for what no title and no owner can hold."""
    which, how = filter or JobFilter(), order or JobOrder()
    search, owner_id = given(which.search), given(which.owner_id)
    problems = Problems()
    problems.text(search, ["filter", "search"], most=TITLE_CHARACTERS, needed=False)
    problems.text(owner_id, ["filter", "ownerId"], most=TITLE_CHARACTERS, needed=False)
    problems.check()
    return JobQuery(
        status=given(which.status),
        search=search,
        updated_since=given(which.updated_since),
        owner_id=owner_id,
        include_deleted=include_deleted,
        order=how.field,
        descending=how.direction is OrderDirection.DESC,
    )


@strawberry.input
class NewSceneInput:
    """A scene to be made."""

    prompt: str
    title: str | None = strawberry.UNSET
    duration_seconds: float | None = strawberry.field(
        default=strawberry.UNSET, description="0.5 to 60 seconds; 5 when left out."
    )
    metadata: JSONObject | None = strawberry.UNSET

    def new_scene(self) -> NewScene:
        """In the words of the domain."""
        return NewScene(self.prompt, given(self.title), given(self.duration_seconds), given(self.metadata))


@strawberry.input
class CreateJobInput:
    """A job to be made."""

    title: str
    scenes: list[NewSceneInput] = strawberry.field(default_factory=list[NewSceneInput])
    provider: str | None = strawberry.UNSET
    metadata: JSONObject | None = strawberry.UNSET
    start: bool = strawberry.field(default=False, description="Start generating at once.")
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The same key with the same request gives the first answer again and does nothing twice.",
    )

    def new_job(self) -> NewJob:
        """In the words of the domain."""
        return NewJob(
            title=self.title,
            scenes=[scene.new_scene() for scene in self.scenes],
            provider=given(self.provider),
            metadata=given(self.metadata),
            start=self.start,
            idempotency_key=given(self.idempotency_key),
        )


@strawberry.input(description=_ABOUT_UPDATES)
class UpdateJobInput:
    """Changes to a job's own fields."""

    job_id: strawberry.ID
    title: str | None = strawberry.UNSET
    metadata: JSONObject | None = strawberry.UNSET
    expected_version: int | None = strawberry.UNSET

    def edit(self) -> JobEdit:
        """What was given."""
        return cast("JobEdit", _edit(self, "title", "metadata"))


@strawberry.input
class JobActionInput:
    """A job to do something to."""

    job_id: strawberry.ID
    expected_version: int | None = strawberry.UNSET
    idempotency_key: str | None = strawberry.UNSET


@strawberry.input
class AddSceneInput:
    """A scene to be added to a job."""

    job_id: strawberry.ID
    scene: NewSceneInput
    position: int | None = strawberry.field(default=strawberry.UNSET, description="At the end when left out.")
    expected_version: int | None = strawberry.UNSET
    idempotency_key: str | None = strawberry.UNSET


@strawberry.input
class FailureInput:
    """Why a scene failed, as its worker tells it."""

    code: str
    message: str
    retryable: bool = False


@strawberry.input(description=_ABOUT_UPDATES)
class UpdateSceneInput:
    """Edits to a scene, and reports on it."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="When given, the scene must belong to it (SCENE_NOT_IN_JOB otherwise).",
    )
    title: str | None = strawberry.UNSET
    prompt: str | None = strawberry.UNSET
    duration_seconds: float | None = strawberry.UNSET
    metadata: JSONObject | None = strawberry.UNSET
    status: SceneStatus | None = strawberry.UNSET
    provider_id: str | None = strawberry.UNSET
    percentage: float | None = strawberry.UNSET
    output_url: str | None = strawberry.UNSET
    failure: FailureInput | None = strawberry.UNSET
    expected_version: int | None = strawberry.UNSET

    def edit(self) -> SceneEdit:
        """What was given."""
        names = ("title", "prompt", "duration_seconds", "metadata", "status", "provider_id", "percentage")
        edit = cast("SceneEdit", _edit(self, *names, "output_url"))
        failure = given(self.failure)
        if failure is not None:
            edit["failure"] = Report(code=failure.code, message=failure.message, retryable=failure.retryable)
        return edit


@strawberry.input
class RegenerateSceneInput:
    """A finished scene to be rendered anew."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.UNSET
    prompt: str | None = strawberry.UNSET
    expected_version: int | None = strawberry.UNSET
    idempotency_key: str | None = strawberry.UNSET


@strawberry.input
class SceneActionInput:
    """A scene to do something to."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.UNSET
    expected_version: int | None = strawberry.UNSET


@strawberry.input
class MoveSceneInput:
    """A scene to be moved to another place."""

    scene_id: strawberry.ID
    job_id: strawberry.ID | None = strawberry.UNSET
    position: int
    expected_version: int | None = strawberry.UNSET


@strawberry.input
class SelectTakeInput:
    """A take to be shown again."""

    take_id: strawberry.ID
    expected_version: int | None = strawberry.field(
        default=strawberry.UNSET, description="Of the scene that the take belongs to."
    )


@strawberry.input
class ReorderScenesInput:
    """All scenes of a job in another order."""

    job_id: strawberry.ID
    scene_ids: list[strawberry.ID] = strawberry.field(description="Every live scene exactly once.")
    expected_version: int | None = strawberry.UNSET


def target(
    source: UpdateSceneInput | RegenerateSceneInput | SceneActionInput | MoveSceneInput,
) -> SceneTarget:
    """Which scene is meant."""
    return SceneTarget(source.scene_id, given(source.job_id), given(source.expected_version))
