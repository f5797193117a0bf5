"""The mutations of many scenes at once. Each unpacks its input, calls one verb and wraps the answer."""

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
from schema.jobs import as_job
from schema.scenes import as_scene

Verb = Callable[[Viewer, SceneBatch], Awaitable[tuple[Result, ...]]]
"""What is done to the scenes of a batch, each the same."""


@strawberry.type
class BatchMutation:
    """What can be done to many scenes of a job in one transaction."""

    @strawberry.mutation
    async def update_scenes(self, info: Info, input: UpdateScenesInput) -> ScenesPayload:
        """Edit scenes or report on them, each with its own fields."""
        context = info.context
        act = context.coordinator.batches.update(context.viewer, input.edits())
        return await _payload(context, act, input.job_id, dry_run=input.dry_run)

    @strawberry.mutation
    async def regenerate_scenes(self, info: Info, input: SceneBatchInput) -> ScenesPayload:
        """Make another take of each."""
        return await _act(info.context, info.context.coordinator.batches.regenerate, input)

    @strawberry.mutation
    async def cancel_scenes(self, info: Info, input: SceneBatchInput) -> ScenesPayload:
        """Cancel open scenes."""
        return await _act(info.context, info.context.coordinator.batches.cancel, input)

    @strawberry.mutation
    async def delete_scenes(self, info: Info, input: SceneBatchInput) -> ScenesPayload:
        """Delete scenes."""
        return await _act(info.context, info.context.coordinator.batches.delete, input)

    @strawberry.mutation
    async def restore_scenes(self, info: Info, input: SceneBatchInput) -> ScenesPayload:
        """Put deleted scenes back where they were."""
        return await _act(info.context, info.context.coordinator.batches.restore, input)


async def _act(context: Context, verb: Verb, input: SceneBatchInput) -> ScenesPayload:
    return await _payload(context, verb(context.viewer, input.batch()), input.job_id, dry_run=input.dry_run)


async def _payload(
    context: Context, act: Awaitable[tuple[Result, ...]], job_id: str, *, dry_run: bool
) -> ScenesPayload:
    done = await attempt(act)
    if isinstance(done, list):
        return ScenesPayload(results=[], succeeded=0, failed=0, dry_run=dry_run, job=None, errors=done)
    job = await context.loaders.job.load(job_id)
    results = await asyncio.gather(*(_result(context, result) for result in done))
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
