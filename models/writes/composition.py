"""The composition of a job, its live clips in play order: when its joined video is stale, and when it can be made."""

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
    """Drop what was joined of a composition that is no more, and order a complete one to be joined.

    Composed are completed jobs; `cut` becomes the version at which they were. Part of the change's last event.
    """
    before, job = change.before, change.job
    whole = job.status is JobStatus.COMPLETED
    if not change.events or (whole and not _is_new(change)):
        return
    if not whole and before.output is None and before.output_failure is None:
        return
    missing = await why_not_assemblable(change) if whole else None
    change.set_job(
        output=None, output_failure=missing, composition_version=job.version if whole else job.composition_version
    )
    if whole and missing is None:
        change.assembly = Assembly(job.id, job.version)
    if before.output is not None:
        await media_gc.mark(change.connection, [before.output["key"]], change.now)
        _note(change, "output")
    if before.output_failure != missing:
        _note(change, "outputFailure")


async def why_not_assemblable(change: Change) -> FailureJson | None:
    """Why the clips cannot be joined, as a failure is stored; None when all of them are kept here."""
    for position, output in enumerate(await clips(change.connection, change.job.id), start=1):
        if output is None:
            return _failure(change, "NO_CLIP", f"Scene {position} is completed without a clip.")
        if "key" not in output:
            return _failure(change, "CLIP_ELSEWHERE", f"The clip of scene {position} is not kept by this server.")
    return None


async def clips(connection: Connection, job_id: str) -> list[Json | None]:
    """What is stored of the clip of each live scene of a job, in play order."""
    query = (
        sa.select(TAKE.c.output)
        .select_from(SCENE.join(TAKE, TAKE.c.id == SCENE.c.take_id))
        .where(SCENE.c.job_id == job_id, SCENE.c.deleted_at.is_(None))
        .order_by(SCENE.c.position)
    )
    return list((await connection.execute(query)).scalars())


def _is_new(change: Change) -> bool:
    before, job = change.before, change.job
    comes_back = before.deleted_at is not None and job.output is None and job.output_failure is None
    return change.composition_is_changed or before.status is not JobStatus.COMPLETED or comes_back


def _note(change: Change, name: str) -> None:
    changed = change.events[-1].changed
    if name not in changed:
        changed.append(name)


def _failure(change: Change, code: str, message: str) -> FailureJson:
    return failure_json(code, message, retryable=False, at=change.now)
