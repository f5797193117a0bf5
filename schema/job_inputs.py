"""The inputs of operations on jobs, and their conversion to the coordinator's inputs."""

from datetime import datetime
from typing import cast

import strawberry

from coordinator.commands.inputs import JobEdit, NewJob
from models.domain.rules import TITLE_CHARACTERS, Problems
from models.reads.listing import JobQuery
from schema.enums import JobOrderField, JobStatus, OrderDirection
from schema.inputs import (
    EXPECTED_JOB_VERSION,
    IDEMPOTENCY_KEY,
    METADATA,
    TITLE,
    UPDATE,
    NewSceneInput,
    edit_of,
    given,
    given_settings,
)
from schema.scalars import JSONObject
from schema.settings import RenderSettingsInput


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


@strawberry.input(description="A new job.")
class CreateJobInput:
    """The input of createJob."""

    title: str = strawberry.field(description=TITLE)
    scenes: list[NewSceneInput] = strawberry.field(
        default_factory=list[NewSceneInput], description="In play order; at most 200."
    )
    provider: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="One of ServerInfo.providers; when omitted, that of settings.model, else the server's default.",
    )
    metadata: JSONObject | None = strawberry.field(default=strawberry.UNSET, description=METADATA)
    start: bool = strawberry.field(default=False, description="Start the job in the same transaction.")
    idempotency_key: str | None = strawberry.field(default=strawberry.UNSET, description=IDEMPOTENCY_KEY)

    settings: RenderSettingsInput | None = strawberry.field(
        default=strawberry.UNSET, description="The default settings of its scenes."
    )

    def new_job(self) -> NewJob:
        """Convert to the coordinator's input."""
        return NewJob(
            title=self.title,
            scenes=[scene.new_scene() for scene in self.scenes],
            provider=given(self.provider),
            metadata=given(self.metadata),
            start=self.start,
            idempotency_key=given(self.idempotency_key),
            settings=given_settings(self.settings),
        )


@strawberry.input(description=UPDATE)
class UpdateJobInput:
    """The input of updateJob."""

    job_id: strawberry.ID
    title: str | None = strawberry.field(default=strawberry.UNSET, description=TITLE)
    metadata: JSONObject | None = strawberry.field(default=strawberry.UNSET, description=METADATA)
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=EXPECTED_JOB_VERSION)

    settings: RenderSettingsInput | None = strawberry.field(
        default=strawberry.UNSET,
        description="The default settings of its scenes; the models of the scenes must support them.",
    )

    def edit(self) -> JobEdit:
        """Return the given fields."""
        edit = cast("JobEdit", edit_of(self, "title", "metadata"))
        if self.settings is not strawberry.UNSET:
            edit["settings"] = given_settings(self.settings)
        return edit


@strawberry.input(description="The job that a mutation acts on.")
class JobActionInput:
    """The input of startJob, cancelJob, deleteJob and restoreJob."""

    job_id: strawberry.ID
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=EXPECTED_JOB_VERSION)
    idempotency_key: str | None = strawberry.field(default=strawberry.UNSET, description=IDEMPOTENCY_KEY)


@strawberry.input(description="The new play order of a job.")
class ReorderScenesInput:
    """The input of reorderScenes."""

    job_id: strawberry.ID
    scene_ids: list[strawberry.ID] = strawberry.field(description="Every live scene exactly once.")
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=EXPECTED_JOB_VERSION)
