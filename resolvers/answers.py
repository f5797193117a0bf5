"""Payloads of mutations, from the result or the errors of a command."""

from collections.abc import Awaitable
from typing import TypeVar

from coordinator.commands.idempotency import KEY_PATH
from models.domain.errors import DomainError, DomainErrors, NotFound
from resolvers.committed import shows_columns_only
from schema.context import Info
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


async def _job(info: Info, job_id: str) -> Job | None:
    context = info.context
    rows = context.audit.rows
    if rows is not None and rows.job.id == job_id and shows_columns_only(info):
        return as_job(rows.job)
    return await _read_job(info, job_id)


async def _read_job(info: Info, job_id: str) -> Job | None:
    row = await info.context.loaders.job.load(job_id)
    return None if row is None else as_job(row)


async def _scene_and_job(info: Info, scene_id: str) -> tuple[Scene | None, Job | None]:
    rows = info.context.audit.rows
    written = None if rows is None else rows.scenes.get(scene_id)
    if rows is not None and written is not None and shows_columns_only(info):
        return as_scene(written), as_job(rows.job)
    row = await info.context.loaders.scene.load(scene_id)
    # Not the job of the change: another change may have been committed before the scene was read.
    return (None, None) if row is None else (as_scene(row), await _read_job(info, row.job_id))


async def job_payload(info: Info, command: Awaitable[str | None], job_id: str = "") -> JobPayload:
    """Return the job after the command: the one whose id the command returns, else `job_id`."""
    outcome = await attempt(command)
    if isinstance(outcome, list):
        return JobPayload(job=None, errors=outcome)
    changed_id = outcome or job_id
    job = await _job(info, changed_id)
    return JobPayload(job=job, errors=_gone(info, changed_id) if job is None else [])


async def scene_payload(info: Info, command: Awaitable[str | None], scene_id: str = "") -> ScenePayload:
    """Return the scene and its job after the command: the one whose id the command returns, else `scene_id`."""
    outcome = await attempt(command)
    if isinstance(outcome, list):
        return ScenePayload(scene=None, job=None, errors=outcome)
    changed_id = outcome or scene_id
    scene, job = await _scene_and_job(info, changed_id)
    return ScenePayload(scene=scene, job=job, errors=_gone(info, changed_id) if scene is None else [])


def _gone(info: Info, id_: str) -> list[UserError]:
    """Return the error of a repeated request whose object was deleted for good after the first one."""
    if info.context.audit.rows is not None:
        return []  # a change of this request, whose object the caller may not see any more
    return user_errors([NotFound("What the first request with this key was about no longer exists.", KEY_PATH, id_)])
