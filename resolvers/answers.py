"""From what a verb of the coordinator did to the payload that tells of it."""

from collections.abc import Awaitable
from typing import TypeVar

from models.domain.errors import DomainError, DomainErrors
from schema.context import Context
from schema.errors import UserError, user_errors
from schema.jobs import Job, as_job
from schema.payloads import JobPayload, ScenePayload
from schema.scenes import Scene, as_scene

T = TypeVar("T")


async def attempt(act: Awaitable[T]) -> T | list[UserError]:
    """Do it; what is refused is an answer, not a GraphQL error."""
    try:
        return await act
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


async def job_payload(context: Context, act: Awaitable[str | None], job_id: str = "") -> JobPayload:
    """The job that `act` names, or else `job_id`, as it is afterwards."""
    done = await attempt(act)
    if isinstance(done, list):
        return JobPayload(job=None, errors=done)
    return JobPayload(job=await _job(context, done or job_id), errors=[])


async def scene_payload(context: Context, act: Awaitable[str | None], scene_id: str = "") -> ScenePayload:
    """The scene that `act` names, or else `scene_id`, as it is afterwards."""
    done = await attempt(act)
    if isinstance(done, list):
        return ScenePayload(scene=None, job=None, errors=done)
    scene, job = await _scene_and_job(context, done or scene_id)
    return ScenePayload(scene=scene, job=job, errors=[])
