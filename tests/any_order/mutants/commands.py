"""Mutants of the commands of owners: their checks, their retries, and what they write."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from unittest.mock import patch

from coordinator.commands import jobs
from models.db.rows import SceneRow
from models.domain.events import EventType
from models.domain.lifecycle import SETTLED_JOB, JobStatus, SceneStatus
from models.writes.change import Change
from tests.any_order.mutants.altered import Values, altered


def canceled_job_can_start() -> AbstractContextManager[object]:
    """A canceled job can be started."""
    return patch.object(jobs, "SETTLED_JOB", SETTLED_JOB - {JobStatus.CANCELED})


def canceled_scene_stays_queued() -> AbstractContextManager[object]:
    """A canceled scene keeps its place in the queue."""
    closed = jobs.closed

    def still_queued(change: Change) -> Values:
        return {name: value for name, value in closed(change).items() if name != "queued_at"}

    return patch.object(jobs, "closed", still_queued)


def idempotency_key_forgotten() -> AbstractContextManager[object]:
    """The answer to a request with an idempotency key is not remembered."""

    async def forget(_self: object, _change: Change, answer: Values) -> Values:
        return answer

    return patch("coordinator.commands.idempotency.Idempotency.remember", forget)


def recovery_window_ignored() -> AbstractContextManager[object]:
    """A restore is accepted after the end of the recovery window."""

    def never(_purge_after: datetime | None, _instant: datetime) -> bool:
        return False

    return patch("coordinator.commands.deletion._expired", never)


def expected_version_ignored() -> AbstractContextManager[object]:
    """A change with a stale expectedVersion is accepted."""

    def accept(_scene: SceneRow, _expected: int | None, _path: Sequence[str] = ()) -> None:
        pass

    return patch("coordinator.commands.preconditions.check_version", accept)


def access_not_checked() -> AbstractContextManager[object]:
    """A caller without access may change a job."""

    def everybody(_viewer: object, _owned: object) -> bool:
        return True

    def anything(_viewer: object, _owned: object, _act: object) -> bool:
        return True

    return patch.multiple("models.writes.store", may_see=everybody, may_do=anything)


def regenerated_scene_not_enqueued() -> AbstractContextManager[object]:
    """A regenerated scene is not enqueued."""

    async def enqueue(_change: Change, _takes: Sequence[tuple[str, int]], **_: float) -> None:
        pass

    return patch("coordinator.commands.takes.schedule_takes", enqueue)


def deleted_scene_accepts_commands() -> AbstractContextManager[object]:
    """A deleted scene accepts commands."""

    def accept(_scene: SceneRow, _path: Sequence[str]) -> None:
        pass

    return patch("coordinator.commands.preconditions.check_live", accept)


def pending_scene_restored_as_processing() -> AbstractContextManager[object]:
    """A scene that was pending when deleted is restored as processing."""
    return altered(
        EventType.SCENE_RESTORED,
        lambda scene, values: values.update(
            status=SceneStatus.PROCESSING if scene.status is SceneStatus.PENDING else scene.status
        ),
    )


def selected_take_not_current() -> AbstractContextManager[object]:
    """A selected take does not become the current one."""

    def spoil(_: SceneRow, values: Values) -> None:
        del values["take_id"], values["take_number"]

    return altered(EventType.SCENE_TAKE_SELECTED, spoil)


def regenerated_scene_keeps_clip() -> AbstractContextManager[object]:
    """A regenerated scene still shows its clip."""
    return altered(EventType.SCENE_REGENERATED, lambda scene, values: values.update(take={"output": scene.output}))


def regenerated_scene_keeps_high_water() -> AbstractContextManager[object]:
    """A regenerate does not reset the high-water mark of the progress."""
    return altered(EventType.SCENE_REGENERATED, lambda _, values: values.pop("high_water"))
