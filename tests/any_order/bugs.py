"""Bugs of the kind that the machine is there to find, each a change to one small piece of the product."""

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from coordinator.commands import jobs
from coordinator.renders import claims
from coordinator.renders.claims import Claim
from models.db.database import Connection
from models.db.rows import SceneRow
from models.db.tables import SCENE
from models.domain.arrangement import Arrangement
from models.domain.events import EventType
from models.domain.lifecycle import SETTLED_JOB, JobStatus, SceneStatus
from models.reads import queries
from models.writes import composition
from models.writes.change import Change, Ticket
from models.writes.store import Store

Values = dict[str, Any]
Bug = Callable[[], AbstractContextManager[object]]

_record, _settle, _write_scene = Change.record, Change.settle, Change.write_scene


def version_twice() -> AbstractContextManager[object]:
    """A change raises the version twice."""

    def record(self: Change, kind: EventType, scene_id: str | None = None, changed: Sequence[str] = ()) -> int:
        version = _record(self, kind, scene_id, changed)
        self.set_job(version=version + (kind is EventType.JOB_UPDATED))
        return version

    return patch.object(Change, "record", record)


def event_missing() -> AbstractContextManager[object]:
    """That the job was started is not in the log."""

    def record(self: Change, kind: EventType, scene_id: str | None = None, changed: Sequence[str] = ()) -> int:
        version = _record(self, kind, scene_id, changed)
        if kind is EventType.JOB_STARTED and len(self.events) > 1:
            self.events.pop()
        return version

    return patch.object(Change, "record", record)


def stale_run() -> AbstractContextManager[object]:
    """Who was taken over may go on writing."""

    def owns(held: Claim, scene: SceneRow) -> bool:
        return scene.take_number == held.take_number and scene.status is SceneStatus.PROCESSING

    return patch("coordinator.renders.claims._owns", owns)


def stale_take() -> AbstractContextManager[object]:
    """A ticket for an earlier take is good for the current one."""
    claim = claims.claim

    async def claim_any(store: Store, ticket: Ticket, worker: str, lease: timedelta = claims.NO_LEASE) -> Claim | None:
        async with store.read() as connection:
            found = await connection.execute(sa.select(SCENE.c.take_number).where(SCENE.c.id == ticket.scene_id))
            number: int | None = found.scalar_one_or_none()
        return await claim(store, ticket._replace(take_number=number or ticket.take_number), worker, lease)

    return patch.object(claims, "claim", claim_any)


def result_twice() -> AbstractContextManager[object]:
    """The result of a take that is no longer rendered is recorded once more."""

    def owns(held: Claim, scene: SceneRow) -> bool:
        return (scene.take_number, scene.run) == (held.take_number, held.run) and scene.deleted_at is None

    return patch("coordinator.renders.claims._owns", owns)


def take_over_without_run() -> AbstractContextManager[object]:
    """Who takes a render over has the same right as who held it before."""
    take_over: Callable[..., Awaitable[Claim | None]] = vars(claims)["_take_over"]

    async def same_run(store: Store, scene: SceneRow, worker: str, lease: timedelta) -> Claim | None:
        claim = await take_over(store, scene, worker, lease)
        async with store.write() as connection:
            await connection.execute(sa.update(SCENE).where(SCENE.c.id == scene.id).values(run=scene.run))
        return claim and claim._replace(run=scene.run)

    return patch.object(claims, "_take_over", same_run)


def counted_though_deleted() -> AbstractContextManager[object]:
    """A deleted scene still counts."""
    recount: Callable[[Change, SceneRow, SceneRow], None] = vars(Change)["_recount"]

    def keep(self: Change, before: SceneRow, after: SceneRow) -> None:
        if after.deleted_at is None:
            recount(self, before, after)

    return patch.object(Change, "_recount", keep)


def status_after_delete() -> AbstractContextManager[object]:
    """Whoever deletes a scene leaves the status of the job as it was."""

    def settle(self: Change) -> None:
        if not self.events or self.events[-1].type is not EventType.SCENE_DELETED:
            _settle(self)

    return patch.object(Change, "settle", settle)


def clip_kept() -> AbstractContextManager[object]:
    """A regenerated scene goes on showing its clip."""
    return _spoilt(EventType.SCENE_REGENERATED, lambda scene, values: values.update(take={"output": scene.output}))


def high_water_kept() -> AbstractContextManager[object]:
    """After a regenerate it counts how far the scene had got before."""
    return _spoilt(EventType.SCENE_REGENERATED, lambda _, values: values.pop("high_water"))


def restored_into_processing() -> AbstractContextManager[object]:
    """What was waiting when it was deleted is processing when it comes back."""
    return _spoilt(
        EventType.SCENE_RESTORED,
        lambda scene, values: values.update(
            status=SceneStatus.PROCESSING if scene.status is SceneStatus.PENDING else scene.status
        ),
    )


def attempts_not_counted() -> AbstractContextManager[object]:
    """A retry is no attempt, and so there is no end of them."""
    return _spoilt(EventType.SCENE_STARTED, lambda scene, values: values.update(attempts=max(1, scene.attempts)))


def selected_not_current() -> AbstractContextManager[object]:
    """A selected take is not the current one."""

    def spoil(_: SceneRow, values: Values) -> None:
        del values["take_id"], values["take_number"]

    return _spoilt(EventType.SCENE_TAKE_SELECTED, spoil)


def queued_though_canceled() -> AbstractContextManager[object]:
    """What is canceled keeps its place in the queue."""
    closed = jobs.closed

    def still_queued(change: Change) -> Values:
        return {name: value for name, value in closed(change).items() if name != "queued_at"}

    return patch.object(jobs, "closed", still_queued)


def hole_in_the_order() -> AbstractContextManager[object]:
    """The last scene that has to move stays where it is."""

    class Gaping(Arrangement):
        def moved(self) -> dict[str, int]:
            return dict(list(super().moved().items())[:-1])

    return patch("models.writes.change.Arrangement", Gaping)


def canceled_starts_again() -> AbstractContextManager[object]:
    """A canceled job may be started."""
    return patch.object(jobs, "SETTLED_JOB", SETTLED_JOB - {JobStatus.CANCELED})


def fraction_falls() -> AbstractContextManager[object]:
    """A render that says less than before is believed."""

    def latest(_column: sa.ColumnElement[float], value: float) -> float:
        return value

    return patch("coordinator.commands.scene_progress._further", latest)


def done_twice() -> AbstractContextManager[object]:
    """The answer to a request with a key is forgotten."""

    async def forget(_self: object, _change: Change, answer: Values) -> Values:
        return answer

    return patch("coordinator.commands.idempotency.Idempotency.remember", forget)


def window_ignored() -> AbstractContextManager[object]:
    """What is deleted can be restored for ever."""

    def never(_purge_after: datetime | None, _instant: datetime) -> bool:
        return False

    return patch("coordinator.commands.deletion._expired", never)


def lock_ignored() -> AbstractContextManager[object]:
    """A change that was made against an older version of the scene is accepted."""

    def accept(_scene: SceneRow, _expected: int | None, _path: Sequence[str] = ()) -> None:
        pass

    return patch("coordinator.commands.preconditions.check_version", accept)


def stranger_let_in() -> AbstractContextManager[object]:
    """Anybody may change a job whose id they know."""

    def everybody(_viewer: object, _owned: object) -> bool:
        return True

    def anything(_viewer: object, _owned: object, _act: object) -> bool:
        return True

    return patch.multiple("models.writes.store", may_see=everybody, may_do=anything)


def running_forgotten() -> AbstractContextManager[object]:
    """After a restart nobody goes on with what was being rendered."""
    open_renders = queries.open_renders

    async def waiting(connection: Connection) -> list[SceneRow]:
        return [scene for scene in await open_renders(connection) if scene.status is SceneStatus.PENDING]

    return patch.object(queries, "open_renders", waiting)


def ticket_missing() -> AbstractContextManager[object]:
    """A regenerated scene is not dispatched."""

    async def enqueue(_change: Change, _takes: Sequence[tuple[str, int]], **_: float) -> None:
        pass

    return patch("coordinator.commands.takes.schedule_takes", enqueue)


def half_a_change() -> AbstractContextManager[object]:
    """The scenes are committed by themselves, before the job and its log."""
    update_assembly = composition.update_assembly

    async def commit_before(change: Change) -> None:
        await update_assembly(change)
        if change.events:
            await change.connection.commit()

    return patch.object(composition, "update_assembly", commit_before)


def cut_kept() -> AbstractContextManager[object]:
    """The joined video does not follow a reordering."""

    def ignore(_self: Change) -> None:
        pass

    return patch.object(Change, "composition_changed", ignore)


def deleted_obeys() -> AbstractContextManager[object]:
    """A deleted scene takes orders."""

    def accept(_scene: SceneRow, _path: Sequence[str]) -> None:
        pass

    return patch("coordinator.commands.preconditions.check_live", accept)


BUGS: Sequence[Bug] = (
    version_twice,
    event_missing,
    stale_run,
    stale_take,
    result_twice,
    take_over_without_run,
    counted_though_deleted,
    status_after_delete,
    clip_kept,
    high_water_kept,
    restored_into_processing,
    attempts_not_counted,
    selected_not_current,
    queued_though_canceled,
    hole_in_the_order,
    canceled_starts_again,
    fraction_falls,
    done_twice,
    window_ignored,
    lock_ignored,
    stranger_let_in,
    running_forgotten,
    ticket_missing,
    half_a_change,
    cut_kept,
    deleted_obeys,
)


@contextmanager
def _spoilt(kind: EventType, spoil: Callable[[SceneRow, Values], object]) -> Generator[None]:
    """What is written of a scene with events of this kind is spoilt before."""

    async def write_scene(
        self: Change,
        before: SceneRow,
        event: EventType,
        changed: Sequence[str],
        *,
        take: Values | None = None,
        **values: Any,
    ) -> SceneRow:
        values["take"] = take
        if event is kind:
            spoil(before, values)
        return await _write_scene(self, before, event, changed, **values)

    with patch.object(Change, "write_scene", write_scene):
        yield
