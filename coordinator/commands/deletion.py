"""Deleting and restoring: a deleted object is hidden and refuses changes, but can be restored until `purge_after`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from coordinator.commands import ordering
from coordinator.commands.scheduling import resume, schedule_takes
from models.db import clock
from models.db.rows import JobRow, SceneRow
from models.domain.errors import ErrorCode, InvalidState
from models.domain.events import EventType
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.rules import SCENES_PER_JOB
from models.writes.change import Change


async def delete_scene(change: Change, scene: SceneRow, window: timedelta, path: Sequence[str]) -> None:
    """Delete a live scene, recoverable for `window`.

    Raises InvalidState (JOB_PROCESSING) while the job is processing.
    """
    _check_not_processing(change, "Scenes cannot be deleted while their job is processing; cancel the job first.", path)
    change.fenced.append(scene.id)
    (await change.arrangement()).delete(scene.id)
    purge_after = change.now + window
    await change.write_scene(
        scene, EventType.SCENE_DELETED, ["deletedAt"], deleted_at=change.now, purge_after=purge_after
    )
    change.composition_changed()


async def restore_scene(change: Change, scene: SceneRow, path: Sequence[str]) -> None:
    """Restore a deleted scene at its former place; a pending scene of a job that has left the draft is scheduled.

    Raises InvalidState (NOT_DELETED, RECOVERY_EXPIRED), and Invalid (LIMIT_EXCEEDED) when the job has no room left. The
    scene is never PROCESSING: it was deleted while its job was not processing.
    """
    _check_recoverable(change, scene.deleted_at, scene.purge_after, "scene", path)
    ordering.check_room(change, path)
    (await change.arrangement()).restore(scene.id)
    await change.write_scene(scene, EventType.SCENE_RESTORED, ["deletedAt"], deleted_at=None, purge_after=None)
    change.composition_changed()
    if scene.status is SceneStatus.PENDING:
        resume(change)
        await schedule_takes(change, [(scene.id, scene.take_number)])


def delete_job(change: Change, window: timedelta, path: Sequence[str]) -> None:
    """Delete a job with its scenes, recoverable for `window`.

    Raises InvalidState (JOB_PROCESSING) while it is processing.
    """
    _check_not_processing(change, "A job cannot be deleted while it is processing; cancel it first.", path)
    change.set_job(deleted_at=change.now, purge_after=change.now + window)
    change.record(EventType.JOB_DELETED, changed=["deletedAt"])


def restore_job(change: Change, path: Sequence[str]) -> None:
    """Restore a deleted job. Scenes that were deleted separately stay deleted.

    Raises InvalidState (NOT_DELETED, RECOVERY_EXPIRED).
    """
    _check_recoverable(change, change.job.deleted_at, change.job.purge_after, "job", path)
    change.set_job(deleted_at=None, purge_after=None)
    change.record(EventType.JOB_RESTORED, changed=["deletedAt"])


def is_restorable(scene: SceneRow, job: JobRow | None) -> bool:
    """Whether a deleted scene of this live job could be restored now."""
    return job is not None and not _expired(scene.purge_after, clock.now()) and job.total < SCENES_PER_JOB


def _check_not_processing(change: Change, message: str, path: Sequence[str]) -> None:
    if change.job.status is JobStatus.PROCESSING:
        raise InvalidState(ErrorCode.JOB_PROCESSING, message, path)


def _check_recoverable(
    change: Change, deleted_at: datetime | None, purge_after: datetime | None, noun: str, path: Sequence[str]
) -> None:
    if deleted_at is None:
        raise InvalidState(ErrorCode.NOT_DELETED, f"The {noun} is not deleted.", path)
    if _expired(purge_after, change.now):
        raise InvalidState(ErrorCode.RECOVERY_EXPIRED, f"The {noun} can no longer be restored.", path)


def _expired(purge_after: datetime | None, instant: datetime) -> bool:
    return purge_after is not None and purge_after <= instant
