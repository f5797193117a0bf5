"""The mutations of many scenes: each converts its input, calls one command of the coordinator and wraps the result."""

import asyncio
from collections.abc import Awaitable, Callable

import strawberry

from coordinator.commands.batches import Result
from coordinator.commands.inputs import SceneBatch
from models.domain.access import Viewer
from resolvers.answers import attempt
from schema.batches import SceneBatchInput, SceneResult, ScenesPayload, UpdateScenesInput
from schema.context import Context, Info
from schema.errors import user_errors
from schema.types import as_job, as_scene

Command = Callable[[Viewer, SceneBatch], Awaitable[tuple[Result, ...]]]
"""A command that does the same to each scene of a batch."""


@strawberry.type
class BatchMutation:
    """The part of Mutation about many scenes of a job, each in one transaction."""

    @strawberry.mutation(
        description="Edit or report on scenes of one job, each with its own fields, as updateScene does."
    )
    async def update_scenes(self, info: Info, input: UpdateScenesInput) -> ScenesPayload:
        context = info.context
        command = context.commands.batches.update(context.viewer, input.edits())
        return await _payload(context, command, input.job_id, dry_run=input.dry_run)

    @strawberry.mutation(
        description="Render completed, failed or canceled scenes of one job again, each with its own prompt."
    )
    async def regenerate_scenes(self, info: Info, input: SceneBatchInput) -> ScenesPayload:
        return await _run(info.context, info.context.commands.batches.regenerate, input)

    @strawberry.mutation(description="Cancel pending or processing scenes of one job.")
    async def cancel_scenes(self, info: Info, input: SceneBatchInput) -> ScenesPayload:
        return await _run(info.context, info.context.commands.batches.cancel, input)

    @strawberry.mutation(description="Delete scenes of one job; restoreScenes can restore them until purgeAfter.")
    async def delete_scenes(self, info: Info, input: SceneBatchInput) -> ScenesPayload:
        return await _run(info.context, info.context.commands.batches.delete, input)

    @strawberry.mutation(description="Restore deleted scenes of one job at their former positions.")
    async def restore_scenes(self, info: Info, input: SceneBatchInput) -> ScenesPayload:
        return await _run(info.context, info.context.commands.batches.restore, input)


async def _run(context: Context, command: Command, input: SceneBatchInput) -> ScenesPayload:
    return await _payload(context, command(context.viewer, input.batch()), input.job_id, dry_run=input.dry_run)


async def _payload(
    context: Context, command: Awaitable[tuple[Result, ...]], job_id: str, *, dry_run: bool
) -> ScenesPayload:
    outcome = await attempt(command)
    if isinstance(outcome, list):
        return ScenesPayload(results=[], succeeded=0, failed=0, dry_run=dry_run, job=None, errors=outcome)
    job = await context.loaders.job.load(job_id)
    results = await asyncio.gather(*(_result(context, result) for result in outcome))
    failed = sum(bool(result.errors) for result in results)
    return ScenesPayload(
        results=results,
        succeeded=len(results) - failed,
        failed=failed,
        dry_run=dry_run,
        job=None if job is None else as_job(job),
        errors=[],
    )


async def _result(context: Context, result: Result) -> SceneResult:
    row = result.scene
    if row is None and not result.refusals:
        row = await context.loaders.scene.load(result.scene_id)
    return SceneResult(
        scene_id=strawberry.ID(result.scene_id),
        scene=None if row is None else as_scene(row),
        errors=user_errors(result.refusals),
    )
