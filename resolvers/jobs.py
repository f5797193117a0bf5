"""The mutations of jobs: each converts its input, calls one command of the coordinator and wraps the result."""

from collections.abc import Awaitable, Callable

import strawberry

from models.domain.access import Viewer
from resolvers.answers import job_payload
from schema.context import Info
from schema.inputs import given
from schema.job_inputs import CreateJobInput, JobActionInput, ReorderScenesInput, UpdateJobInput
from schema.payloads import JobPayload

Command = Callable[[Viewer, str, int | None, str | None], Awaitable[None]]
"""A command on a job: viewer, job id, expected version, idempotency key."""


@strawberry.type
class JobMutation:
    """The part of Mutation about jobs."""

    @strawberry.mutation(description="Create a job with its scenes; with start, also queue them for rendering.")
    async def create_job(self, info: Info, input: CreateJobInput) -> JobPayload:
        context = info.context
        return await job_payload(info, context.commands.jobs.create(context.viewer, input.new_job()))

    @strawberry.mutation(description="Change the title or the metadata of a job. Equal values change nothing.")
    async def update_job(self, info: Info, input: UpdateJobInput) -> JobPayload:
        context = info.context
        command = context.commands.jobs.update(
            context.viewer, input.job_id, input.edit(), given(input.expected_version)
        )
        return await job_payload(info, command, input.job_id)

    @strawberry.mutation(
        description="Start a pending job: queue all its scenes for rendering. A job that is processing is not changed."
    )
    async def start_job(self, info: Info, input: JobActionInput) -> JobPayload:
        return await _run(info, info.context.commands.jobs.start, input)

    @strawberry.mutation(
        description="Cancel every pending or processing scene. Completed and failed scenes keep their status and clips."
    )
    async def cancel_job(self, info: Info, input: JobActionInput) -> JobPayload:
        return await _run(info, info.context.commands.jobs.cancel, input)

    @strawberry.mutation(
        description=(
            "Delete a job with its scenes. Fails with JOB_PROCESSING while the job is processing. restoreJob can "
            "restore it until purgeAfter."
        )
    )
    async def delete_job(self, info: Info, input: JobActionInput) -> JobPayload:
        return await _run(info, info.context.commands.jobs.delete, input)

    @strawberry.mutation(description="Restore a deleted job. Scenes that were deleted individually stay deleted.")
    async def restore_job(self, info: Info, input: JobActionInput) -> JobPayload:
        return await _run(info, info.context.commands.jobs.restore, input)

    @strawberry.mutation(description="Set the play order of all live scenes of a job.")
    async def reorder_scenes(self, info: Info, input: ReorderScenesInput) -> JobPayload:
        context = info.context
        command = context.commands.scenes.reorder(
            context.viewer, input.job_id, input.scene_ids, given(input.expected_version)
        )
        return await job_payload(info, command, input.job_id)


async def _run(info: Info, command: Command, input: JobActionInput) -> JobPayload:
    running = command(info.context.viewer, input.job_id, given(input.expected_version), given(input.idempotency_key))
    return await job_payload(info, running, input.job_id)
