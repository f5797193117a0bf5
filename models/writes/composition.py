"""The composition of a job (its live clips in play order): when its joined video is stale, and when it can be made."""

from typing import Any

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import SCENE, TAKE
from models.domain.failures import FailureJson, failure_json
from models.domain.lifecycle import JobStatus
from models.writes import media_gc
from models.writes.change import Assembly, Change

Json = dict[str, Any]


async def update_assembly(change: Change) -> None:
    """Drop the joined video of a changed composition, and schedule the assembly of a complete one.

    A composition is complete when its job is; `composition_version` is then set to the job's version. Part of the
    change's last event.
    """
    before, job = change.before, change.job
    complete = job.status is JobStatus.COMPLETED
    if not change.events or (complete and not _is_new(change)):
        return
    if not complete and before.output is None and before.output_failure is None:
        return
    failure = await why_not_assemblable(change) if complete else None
    composition_version = job.version if complete else job.composition_version
    change.set_job(output=None, output_failure=failure, composition_version=composition_version)
    if complete and failure is None:
        change.assembly = Assembly(job.id, job.version)
    if before.output is not None:
        await media_gc.mark(await change.connection(), [before.output["key"]], change.now)
        _add_changed(change, "output")
    if before.output_failure != failure:
        _add_changed(change, "outputFailure")


async def why_not_assemblable(change: Change) -> FailureJson | None:
    """Return why the clips cannot be joined; None when all of them are stored here."""
    for position, output in enumerate(await clips(await change.connection(), change.job.id), start=1):
        if output is None:
            return _failure(change, "NO_CLIP", f"Scene {position} is completed without a clip.")
        if "key" not in output:
            return _failure(change, "CLIP_ELSEWHERE", f"The clip of scene {position} is not kept by this server.")
    return None


async def clips(connection: Connection, job_id: str) -> list[Json | None]:
    """Return the stored clip of each live scene of a job, in play order."""
    query = (
        sa.select(TAKE.c.output)
        .select_from(SCENE.join(TAKE, TAKE.c.id == SCENE.c.take_id))
        .where(SCENE.c.job_id == job_id, SCENE.c.deleted_at.is_(None))
        .order_by(SCENE.c.position)
    )
    return list((await connection.execute(query)).scalars())


def _is_new(change: Change) -> bool:
    before, job = change.before, change.job
    restored = before.deleted_at is not None and job.output is None and job.output_failure is None
    return change.composition_is_changed or before.status is not JobStatus.COMPLETED or restored


def _add_changed(change: Change, name: str) -> None:
    changed = change.events[-1].changed
    if name not in changed:
        changed.append(name)


def _failure(change: Change, code: str, message: str) -> FailureJson:
    return failure_json(code, message, retryable=False, at=change.now)
