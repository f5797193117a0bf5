"""The mutations of jobs. Each unpacks its input, calls one verb of the coordinator and wraps the answer."""

from collections.abc import Awaitable, Callable

import strawberry

from models.domain.access import Viewer
from resolvers.answers import job_payload
from schema.context import Context, Info
from schema.inputs import CreateJobInput, JobActionInput, ReorderScenesInput, UpdateJobInput, given
from schema.payloads import JobPayload

Verb = Callable[[Viewer, str, int | None, str | None], Awaitable[None]]
"""What is done to a job of that id, as of that version if given, and under that idempotency key if given."""


@strawberry.type
class JobMutation:
    """What can be done to a job."""

    @strawberry.mutation
    async def create_job(self, info: Info, input: CreateJobInput) -> JobPayload:
        """Make a job."""
        context = info.context
        return await job_payload(context, context.coordinator.jobs.create(context.viewer, input.new_job()))

    @strawberry.mutation
    async def update_job(self, info: Info, input: UpdateJobInput) -> JobPayload:
        """Change a job's own fields."""
        context = info.context
        act = context.coordinator.jobs.update(context.viewer, input.job_id, input.edit(), given(input.expected_version))
        return await job_payload(context, act, input.job_id)

    @strawberry.mutation
    async def start_job(self, info: Info, input: JobActionInput) -> JobPayload:
        """Dispatch the scenes of a pending job."""
        return await _act(info.context, info.context.coordinator.jobs.start, input)

    @strawberry.mutation
    async def cancel_job(self, info: Info, input: JobActionInput) -> JobPayload:
        """Cancel every open scene."""
        return await _act(info.context, info.context.coordinator.jobs.cancel, input)

    @strawberry.mutation(description="DomainErrors while it is processing. Recoverable until purgeAfter.")
    async def delete_job(self, info: Info, input: JobActionInput) -> JobPayload:
        """Delete a job."""
        return await _act(info.context, info.context.coordinator.jobs.delete, input)

    @strawberry.mutation
    async def restore_job(self, info: Info, input: JobActionInput) -> JobPayload:
        """Bring a deleted job back; scenes that were deleted by themselves stay deleted."""
        return await _act(info.context, info.context.coordinator.jobs.restore, input)

    @strawberry.mutation
    async def reorder_scenes(self, info: Info, input: ReorderScenesInput) -> JobPayload:
        """Put all scenes of a job in another order."""
        context = info.context
        act = context.coordinator.scenes.reorder(
            context.viewer, input.job_id, input.scene_ids, given(input.expected_version)
        )
        return await job_payload(context, act, input.job_id)


async def _act(context: Context, verb: Verb, input: JobActionInput) -> JobPayload:
    act = verb(context.viewer, input.job_id, given(input.expected_version), given(input.idempotency_key))
    return await job_payload(context, act, input.job_id)
