"""Mutation: what can be done. Each unpacks its input, calls one verb of the coordinator and wraps the answer."""

from collections.abc import Awaitable
from typing import TypeVar

import strawberry

from models.errors import Refusal, Refused
from schema.context import Context, Info
from schema.errors import UserError, user_errors
from schema.inputs import (
    AddSceneInput,
    CreateJobInput,
    JobActionInput,
    MoveSceneInput,
    RegenerateSceneInput,
    SceneActionInput,
    UpdateJobInput,
    UpdateSceneInput,
    given,
    target,
)
from schema.payloads import DeleteScenePayload, JobPayload, ScenePayload
from schema.types import Job, Scene, as_job, as_scene

T = TypeVar("T")


async def _attempt(act: Awaitable[T]) -> T | list[UserError]:
    """Do it; what is refused is an answer, not a GraphQL error."""
    try:
        return await act
    except Refusal as refusal:
        return user_errors([refusal])
    except Refused as refused:
        return user_errors(refused.refusals)


async def _job(context: Context, job_id: str) -> Job | None:
    row = await context.loaders.job.load(job_id)
    return None if row is None else as_job(row)


async def _scene_and_job(context: Context, scene_id: str) -> tuple[Scene | None, Job | None]:
    row = await context.loaders.scene.load(scene_id)
    return (None, None) if row is None else (as_scene(row), await _job(context, row.job_id))


async def _job_payload(context: Context, act: Awaitable[str | None], job_id: str = "") -> JobPayload:
    """The job that `act` names, or else `job_id`, as it is afterwards."""
    done = await _attempt(act)
    if isinstance(done, list):
        return JobPayload(job=None, errors=done)
    return JobPayload(job=await _job(context, done or job_id), errors=[])


async def _scene_payload(context: Context, act: Awaitable[str | None], scene_id: str = "") -> ScenePayload:
    """The scene that `act` names, or else `scene_id`, as it is afterwards."""
    done = await _attempt(act)
    if isinstance(done, list):
        return ScenePayload(scene=None, job=None, errors=done)
    scene, job = await _scene_and_job(context, done or scene_id)
    return ScenePayload(scene=scene, job=job, errors=[])


@strawberry.type
class Mutation:
    """The root of changes."""

    @strawberry.mutation
    async def create_job(self, info: Info, input: CreateJobInput) -> JobPayload:
        """Make a job."""
        context = info.context
        return await _job_payload(context, context.coordinator.jobs.create(context.viewer, input.new_job()))

    @strawberry.mutation
    async def update_job(self, info: Info, input: UpdateJobInput) -> JobPayload:
        """Change a job's own fields."""
        context = info.context
        act = context.coordinator.jobs.update(context.viewer, input.job_id, input.edit(), given(input.expected_version))
        return await _job_payload(context, act, input.job_id)

    @strawberry.mutation
    async def start_job(self, info: Info, input: JobActionInput) -> JobPayload:
        """Dispatch the scenes of a pending job."""
        context = info.context
        act = context.coordinator.jobs.start(
            context.viewer, input.job_id, given(input.expected_version), given(input.idempotency_key)
        )
        return await _job_payload(context, act, input.job_id)

    @strawberry.mutation
    async def cancel_job(self, info: Info, input: JobActionInput) -> JobPayload:
        """Cancel every open scene."""
        context = info.context
        act = context.coordinator.jobs.cancel(
            context.viewer, input.job_id, given(input.expected_version), given(input.idempotency_key)
        )
        return await _job_payload(context, act, input.job_id)

    @strawberry.mutation
    async def add_scene(self, info: Info, input: AddSceneInput) -> ScenePayload:
        """Add a scene; in a started job it is dispatched at once."""
        context = info.context
        act = context.coordinator.scenes.add(
            context.viewer,
            input.job_id,
            input.scene.new_scene(),
            given(input.position),
            given(input.expected_version),
            given(input.idempotency_key),
        )
        return await _scene_payload(context, act)

    @strawberry.mutation
    async def update_scene(self, info: Info, input: UpdateSceneInput) -> ScenePayload:
        """Edit a scene, or report on it."""
        context = info.context
        act = context.coordinator.scenes.update(context.viewer, target(input), input.edit())
        return await _scene_payload(context, act, input.scene_id)

    @strawberry.mutation(
        description=(
            "Only a completed, failed or canceled scene: back to pending, clip and provider id cleared, rendered anew."
        )
    )
    async def regenerate_scene(self, info: Info, input: RegenerateSceneInput) -> ScenePayload:
        """Make another take."""
        context = info.context
        act = context.coordinator.scenes.regenerate(
            context.viewer, target(input), given(input.prompt), given(input.idempotency_key)
        )
        return await _scene_payload(context, act, input.scene_id)

    @strawberry.mutation
    async def cancel_scene(self, info: Info, input: SceneActionInput) -> ScenePayload:
        """Cancel an open scene."""
        context = info.context
        act = context.coordinator.scenes.cancel(context.viewer, target(input))
        return await _scene_payload(context, act, input.scene_id)

    @strawberry.mutation(description="Refused while the job is processing. Recoverable until purgeAfter.")
    async def delete_scene(self, info: Info, input: SceneActionInput) -> DeleteScenePayload:
        """Delete a scene."""
        context = info.context
        payload = await _scene_payload(
            context, context.coordinator.scenes.delete(context.viewer, target(input)), input.scene_id
        )
        scene = payload.scene
        return DeleteScenePayload(
            deleted_scene_id=None if scene is None else scene.id,
            purge_after=None if scene is None else scene.purge_after,
            job=payload.job,
            errors=payload.errors,
        )

    @strawberry.mutation
    async def move_scene(self, info: Info, input: MoveSceneInput) -> ScenePayload:
        """Move a scene to another place."""
        context = info.context
        act = context.coordinator.scenes.move(context.viewer, target(input), input.position)
        return await _scene_payload(context, act, input.scene_id)
