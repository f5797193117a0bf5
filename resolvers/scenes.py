"""The mutations of scenes. Each unpacks its input, calls one verb of the coordinator and wraps the answer."""

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
    given,
    target,
)
from schema.payloads import DeleteScenePayload, ScenePayload


@strawberry.type
class SceneMutation:
    """What can be done to a scene."""

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
        return await scene_payload(context, act)

    @strawberry.mutation
    async def update_scene(self, info: Info, input: UpdateSceneInput) -> ScenePayload:
        """Edit a scene, or report on it."""
        context = info.context
        act = context.coordinator.scenes.update(context.viewer, target(input), input.edit())
        return await scene_payload(context, act, input.scene_id)

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
        return await scene_payload(context, act, input.scene_id)

    @strawberry.mutation
    async def cancel_scene(self, info: Info, input: SceneActionInput) -> ScenePayload:
        """Cancel an open scene."""
        context = info.context
        act = context.coordinator.scenes.cancel(context.viewer, target(input))
        return await scene_payload(context, act, input.scene_id)

    @strawberry.mutation(description="DomainErrors while the job is processing. Recoverable until purgeAfter.")
    async def delete_scene(self, info: Info, input: SceneActionInput) -> DeleteScenePayload:
        """Delete a scene."""
        context = info.context
        payload = await scene_payload(
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
    async def restore_scene(self, info: Info, input: SceneActionInput) -> ScenePayload:
        """Put a deleted scene back where it was."""
        context = info.context
        act = context.coordinator.scenes.restore(context.viewer, target(input))
        return await scene_payload(context, act, input.scene_id)

    @strawberry.mutation(
        description=(
            "Makes an earlier completed take the scene's clip again; the scene shows the prompt that it was made from."
        )
    )
    async def select_take(self, info: Info, input: SelectTakeInput) -> ScenePayload:
        """Show an earlier take."""
        context = info.context
        act = context.coordinator.scenes.select_take(context.viewer, input.take_id, given(input.expected_version))
        return await scene_payload(context, act)

    @strawberry.mutation
    async def move_scene(self, info: Info, input: MoveSceneInput) -> ScenePayload:
        """Move a scene to another place."""
        context = info.context
        act = context.coordinator.scenes.move(context.viewer, target(input), input.position)
        return await scene_payload(context, act, input.scene_id)
