"""The composition of a job (its live clips in play order): when its joined video is stale, and when it can be made."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import JOB, SCENE, TAKE
from models.domain.failures import FailureJson, failure_json
from models.domain.lifecycle import JobStatus
from models.reads.shapes import awaits_assembly
from models.writes import media_gc
from models.writes.change import Assembly, Change

Json = dict[str, Any]

# How long a join waits for the sake of shorter ones, for each second of its clips.
WAIT_FOR_EACH_SECOND = 10
LARGEST_PRIORITY = 2**31 - 1
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


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
        seconds = await _seconds_ahead(change)
        change.assembly = Assembly(job.id, job.version, priority=priority(change.now, seconds))
    if before.output is not None:
        await media_gc.mark(await change.connection(), [before.output["key"]], change.now)
        _add_changed(change, "output")
    if before.output_failure != failure:
        _add_changed(change, "outputFailure")


def priority(since: datetime, seconds: float) -> int:
    """Return the priority of joining clips, for which these seconds of clips of the owner have to be joined in all.

    The shortest goes first, and the more an owner has waiting, the later the next; but what has waited for
    WAIT_FOR_EACH_SECOND goes before a second of new clips, so that nothing waits for ever. It fits into 32 bits.
    """
    due = (since - _EPOCH).total_seconds() + WAIT_FOR_EACH_SECOND * seconds
    return -round(min(LARGEST_PRIORITY, max(0.0, due)))


async def _seconds_ahead(change: Change) -> float:
    """Return how long the clips last that are to be joined for the owner of the job, those of the job included."""
    waiting = sa.select(JOB.c.id).where(awaits_assembly(), JOB.c.owner_id == change.job.owner_id)
    ids = sa.union(waiting, sa.select(sa.literal(change.job.id)))
    query = sa.select(sa.func.coalesce(sa.func.sum(SCENE.c.duration_seconds), 0.0)).where(
        SCENE.c.job_id.in_(ids), SCENE.c.deleted_at.is_(None)
    )
    return float((await (await change.connection()).execute(query)).scalar_one())


async def why_not_assemblable(change: Change) -> FailureJson | None:
    """Return why the clips cannot be joined; None when all of them are stored here."""
    for position, clip in enumerate(await clips(await change.connection(), change.job.id), start=1):
        if clip.output is None:
            return _failure(change, "NO_CLIP", f"Scene {position} is completed without a clip.")
        if "key" not in clip.output:
            return _failure(change, "CLIP_ELSEWHERE", f"The clip of scene {position} is not kept by this server.")
    return None


class StoredClip(NamedTuple):
    """The clip of a scene as it is stored, and how long it was asked to be, in seconds."""

    output: Json | None
    asked_seconds: float
    scene_id: str

    @property
    def size_bytes(self) -> int:
        """The size of the file; 0 when it is not known."""
        return (self.output or {}).get("size_bytes") or 0

    @property
    def longest_asked_seconds(self) -> float:
        """How long it may have been asked to be: the scene may have been made shorter since."""
        return max(self.asked_seconds, (self.output or {}).get("duration_seconds") or 0.0)


async def clips(connection: Connection, job_id: str) -> list[StoredClip]:
    """Return the stored clip of each live scene of a job, in play order; of a rendition its original."""
    clip = sa.func.coalesce(TAKE.c.original, TAKE.c.output, type_=TAKE.c.output.type)
    query = (
        sa.select(clip, SCENE.c.duration_seconds, SCENE.c.id)
        .select_from(SCENE.join(TAKE, TAKE.c.id == SCENE.c.take_id))
        .where(SCENE.c.job_id == job_id, SCENE.c.deleted_at.is_(None))
        .order_by(SCENE.c.position)
    )
    return [StoredClip(*row) for row in await connection.execute(query)]


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
