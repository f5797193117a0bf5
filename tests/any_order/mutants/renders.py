"""Mutants of claims, fences, attempts, progress, adoptions, the deadline of reports and the reconciler."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from coordinator.commands import adoption
from coordinator.renders import claims
from coordinator.renders.claim import Claim
from coordinator.renders.silent_takes import SilentTakes
from models.db.database import Connection
from models.db.rows import SceneRow
from models.db.tables import SCENE
from models.domain.events import EventType
from models.domain.lifecycle import SceneStatus
from models.reads import queries
from models.writes.change import Change
from models.writes.store import Store
from tests.any_order.mutants.altered import altered


def lost_lease_may_write() -> AbstractContextManager[object]:
    """A worker that lost its lease may still write."""

    def owns(held: Claim, scene: SceneRow) -> bool:
        return scene.take_number == held.take_number and scene.status is SceneStatus.PROCESSING

    return patch("coordinator.renders.claim._owns", owns)


def result_recorded_twice() -> AbstractContextManager[object]:
    """The result of a finished take is recorded again."""

    def owns(held: Claim, scene: SceneRow) -> bool:
        return (scene.take_number, scene.run) == (held.take_number, held.run) and scene.deleted_at is None

    return patch("coordinator.renders.claim._owns", owns)


def takeover_keeps_run() -> AbstractContextManager[object]:
    """A takeover keeps the run, so the previous worker is not fenced."""
    take_over: Callable[..., Awaitable[Claim | None]] = vars(claims)["_take_over"]

    async def same_run(store: Store, scene: SceneRow, *others: object) -> Claim | None:
        claim = await take_over(store, scene, *others)
        async with store.write() as connection:
            await connection.execute(sa.update(SCENE).where(SCENE.c.id == scene.id).values(run=scene.run))
        return claim and claim._replace(run=scene.run)

    return patch.object(claims, "_take_over", same_run)


def retry_not_counted_as_attempt() -> AbstractContextManager[object]:
    """A retry does not count as an attempt, so retries never end."""
    return altered(EventType.SCENE_STARTED, lambda scene, values: values.update(attempts=max(1, scene.attempts)))


def percentage_can_fall() -> AbstractContextManager[object]:
    """A progress report below the last one lowers the percentage."""

    def latest(_column: sa.ColumnElement[float], value: float) -> float:
        return value

    return patch("coordinator.commands.scene_progress._further", latest)


def running_renders_not_reconciled() -> AbstractContextManager[object]:
    """After a restart the reconciler does not enqueue renders that were in progress."""
    open_renders = queries.open_renders

    async def waiting(connection: Connection) -> list[SceneRow]:
        return [scene for scene in await open_renders(connection) if scene.status is SceneStatus.PENDING]

    return patch.object(queries, "open_renders", waiting)


def adopted_scene_keeps_its_run() -> AbstractContextManager[object]:
    """A worker that has the scene already may write while its reported clip is adopted."""
    begin = adoption.begin

    async def begin_without_run(change: Change, scene: SceneRow) -> dict[str, Any]:
        return await begin(change, scene) | {"run": scene.run}

    return patch.object(adoption, "begin", begin_without_run)


def silent_take_goes_on() -> AbstractContextManager[object]:
    """A take without any report is waited for."""

    def never(_silent: SilentTakes, _scene: SceneRow, _now: datetime) -> bool:
        return False

    return patch.object(SilentTakes, "_is_silent", never)
