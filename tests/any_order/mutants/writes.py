"""Mutants of the write path: versions, log, transaction, counters, positions, assembly."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from unittest.mock import patch

from models.db.rows import SceneRow
from models.domain.arrangement import Arrangement
from models.domain.events import EventType
from models.writes import composition
from models.writes.change import Change

_record, _settle = Change.record, Change.settle


def version_incremented_twice() -> AbstractContextManager[object]:
    """An update of a job increments its version twice."""

    def record(self: Change, kind: EventType, scene_id: str | None = None, changed: Sequence[str] = ()) -> int:
        version = _record(self, kind, scene_id, changed)
        self.set_job(version=version + (kind is EventType.JOB_UPDATED))
        return version

    return patch.object(Change, "record", record)


def start_event_not_logged() -> AbstractContextManager[object]:
    """The start of a job is not logged."""

    def record(self: Change, kind: EventType, scene_id: str | None = None, changed: Sequence[str] = ()) -> int:
        version = _record(self, kind, scene_id, changed)
        if kind is EventType.JOB_STARTED and len(self.events) > 1:
            self.events.pop()
        return version

    return patch.object(Change, "record", record)


def scenes_committed_before_job() -> AbstractContextManager[object]:
    """Scenes are committed before the job and its log."""
    update_assembly = composition.update_assembly

    async def commit_before(change: Change) -> None:
        await update_assembly(change)
        if change.events:
            connection = await change.connection()
            await connection.exec_driver_sql("COMMIT")
            on_sqlite = connection.dialect.name == "sqlite"
            await connection.exec_driver_sql("BEGIN IMMEDIATE" if on_sqlite else "BEGIN")

    return patch.object(composition, "update_assembly", commit_before)


def deleted_scene_counted() -> AbstractContextManager[object]:
    """A deleted scene still counts in the totals of its job."""
    recount: Callable[[Change, SceneRow, SceneRow], None] = vars(Change)["_recount"]

    def keep(self: Change, before: SceneRow, after: SceneRow) -> None:
        if after.deleted_at is None:
            recount(self, before, after)

    return patch.object(Change, "_recount", keep)


def status_stale_after_delete() -> AbstractContextManager[object]:
    """Deleting a scene does not derive the status of the job again."""

    def settle(self: Change) -> None:
        if not self.events or self.events[-1].type is not EventType.SCENE_DELETED:
            _settle(self)

    return patch.object(Change, "settle", settle)


def gap_in_positions() -> AbstractContextManager[object]:
    """The last scene that a reordering moves keeps its old position."""

    class Gaping(Arrangement):
        def moved(self) -> dict[str, int]:
            return dict(list(super().moved().items())[:-1])

    return patch("models.writes.change.Arrangement", Gaping)


def reordering_keeps_assembled_video() -> AbstractContextManager[object]:
    """A reordering does not mark the assembled video stale."""

    def ignore(_self: Change) -> None:
        pass

    return patch.object(Change, "composition_changed", ignore)
