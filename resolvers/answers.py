"""Payloads of mutations, from the result or the errors of a command."""

from collections.abc import Awaitable
from typing import TypeVar

from models.domain.errors import DomainError, DomainErrors
from schema.context import Context
from schema.errors import UserError, user_errors
from schema.payloads import JobPayload, ScenePayload
from schema.types import Job, Scene, as_job, as_scene

T = TypeVar("T")


async def attempt(command: Awaitable[T]) -> T | list[UserError]:
    """Await the command; return its result, or its domain errors as data for the payload."""
    try:
        return await command
    except DomainError as refusal:
        return user_errors([refusal])
    except DomainErrors as refused:
        return user_errors(refused.refusals)


async def _job(context: Context, job_id: str) -> Job | None:
    row = await context.loaders.job.load(job_id)
    return None if row is None else as_job(row)


async def _scene_and_job(context: Context, scene_id: str) -> tuple[Scene | None, Job | None]:
    row = await context.loaders.scene.load(scene_id)
    return (None, None) if row is None else (as_scene(row), await _job(context, row.job_id))


async def job_payload(context: Context, command: Awaitable[str | None], job_id: str = "") -> JobPayload:
    """Return the job after the command: the one whose id the command returns, else `job_id`."""
    outcome = await attempt(command)
    if isinstance(outcome, list):
        return JobPayload(job=None, errors=outcome)
    return JobPayload(job=await _job(context, outcome or job_id), errors=[])


async def scene_payload(context: Context, command: Awaitable[str | None], scene_id: str = "") -> ScenePayload:
    """Return the scene and its job after the command: the one whose id the command returns, else `scene_id`."""
    outcome = await attempt(command)
    if isinstance(outcome, list):
        return ScenePayload(scene=None, job=None, errors=outcome)
    scene, job = await _scene_and_job(context, outcome or scene_id)
    return ScenePayload(scene=scene, job=job, errors=[])
