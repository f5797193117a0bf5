"""The mutations of single scenes: each converts its input, calls one command and wraps the result."""

import strawberry

from resolvers.answers import scene_payload
from schema.context import Info
from schema.inputs import (
    AddSceneInput,
    MoveSceneInput,
    RegenerateSceneInput,
    SceneActionInput,
    SelectTakeInput,
    UpdateSceneInput,
    asked,
    given,
    target,
)
from schema.payloads import DeleteScenePayload, ScenePayload


@strawberry.type
class SceneMutation:
    """The part of Mutation about single scenes."""

    @strawberry.mutation(description="Add a scene to a job; in a started job it is queued for rendering at once.")
    async def add_scene(self, info: Info, input: AddSceneInput) -> ScenePayload:
        context = info.context
        command = context.commands.scenes.add(
            context.viewer,
            input.job_id,
            input.scene.new_scene(),
            given(input.position),
            given(input.expected_version),
            given(input.idempotency_key),
        )
        return await scene_payload(info, command)

    @strawberry.mutation(
        description=(
            "Edit a scene (title, prompt, durationSeconds, metadata, settings, inputs), or report the progress of an "
            "external render (status, providerId, percentage, outputUrl, failure). A change of status starts a pending "
            "job."
        )
    )
    async def update_scene(self, info: Info, input: UpdateSceneInput) -> ScenePayload:
        context = info.context
        command = context.commands.scenes.update(context.viewer, target(input), input.edit())
        return await scene_payload(info, command, input.scene_id)

    @strawberry.mutation(
        description=(
            "Render a completed, failed or canceled scene again: its status becomes PENDING, clip and provider id are "
            "cleared, and a new take is queued. Earlier takes are kept."
        )
    )
    async def regenerate_scene(self, info: Info, input: RegenerateSceneInput) -> ScenePayload:
        context = info.context
        command = context.commands.scenes.regenerate(
            context.viewer,
            target(input),
            given(input.prompt),
            given(input.idempotency_key),
            asked(input.settings, input.inputs),
        )
        return await scene_payload(info, command, input.scene_id)

    @strawberry.mutation(description="Cancel a pending or processing scene and stop its render.")
    async def cancel_scene(self, info: Info, input: SceneActionInput) -> ScenePayload:
        context = info.context
        command = context.commands.scenes.cancel(context.viewer, target(input))
        return await scene_payload(info, command, input.scene_id)

    @strawberry.mutation(
        description=(
            "Delete a scene. Fails with JOB_PROCESSING while the job is processing. restoreScene can restore it until "
            "purgeAfter."
        )
    )
    async def delete_scene(self, info: Info, input: SceneActionInput) -> DeleteScenePayload:
        context = info.context
        command = context.commands.scenes.delete(context.viewer, target(input))
        payload = await scene_payload(info, command, input.scene_id)
        scene = payload.scene
        return DeleteScenePayload(
            deleted_scene_id=None if scene is None else scene.id,
            purge_after=None if scene is None else scene.purge_after,
            job=payload.job,
            errors=payload.errors,
        )

    @strawberry.mutation(
        description="Restore a deleted scene at its former position; in a started job a pending scene is queued again."
    )
    async def restore_scene(self, info: Info, input: SceneActionInput) -> ScenePayload:
        context = info.context
        command = context.commands.scenes.restore(context.viewer, target(input))
        return await scene_payload(info, command, input.scene_id)

    @strawberry.mutation(
        description=(
            "Show an earlier completed take of a scene again: its clip, its prompt and its times. The scene becomes "
            "COMPLETED."
        )
    )
    async def select_take(self, info: Info, input: SelectTakeInput) -> ScenePayload:
        context = info.context
        command = context.commands.scenes.select_take(context.viewer, input.take_id, given(input.expected_version))
        return await scene_payload(info, command)

    @strawberry.mutation(description="Move a live scene to another position; the scenes in between move by one.")
    async def move_scene(self, info: Info, input: MoveSceneInput) -> ScenePayload:
        context = info.context
        command = context.commands.scenes.move(context.viewer, target(input), input.position)
        return await scene_payload(info, command, input.scene_id)
