"""The progress of running renders: written without an event, fenced, and never decreasing."""

from datetime import datetime

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import SCENE
from models.domain.lifecycle import SceneStatus


class Fenced(Exception):
    """The render no longer owns its scene: it was regenerated, canceled, deleted, reported on or taken over."""


class TakenOver(Fenced):
    """Another worker has taken over the take: it still needs the order at the provider, which must not be canceled."""


async def advance(
    connection: Connection,
    scene_id: str,
    take_number: int,
    run: int | None,
    *,
    percentage: float | None = None,
    frame: int | None = None,
    reported_at: datetime | None = None,
) -> None:
    """Write the percentage of the take, 0..100, the number of its newest frame, and the instant of a worker's report.

    A lower percentage is ignored.

    `run` is that of the render that writes, None for a report: another worker may take the render over meanwhile, for
    which no lock of the job is needed. Raises Fenced when the scene no longer has this take and run, or is not
    PROCESSING.
    """
    values: dict[str, object] = {"take_number": take_number}
    if percentage is not None:
        values["percentage"] = _further(SCENE.c.percentage, percentage)
        values["high_water"] = _further(SCENE.c.high_water, percentage)
    if frame is not None:
        values["frame"] = frame
    if reported_at is not None:
        values["reported_at"] = reported_at
    written = await connection.execute(
        sa.update(SCENE)
        .where(
            SCENE.c.id == scene_id,
            SCENE.c.take_number == take_number,
            sa.true() if run is None else SCENE.c.run == run,
            SCENE.c.status == SceneStatus.PROCESSING,
            SCENE.c.deleted_at.is_(None),
        )
        .values(values)
    )
    if written.rowcount == 0:
        raise Fenced


def _further(column: sa.ColumnElement[float], value: float) -> sa.ColumnElement[float]:
    return sa.case((sa.func.coalesce(column, 0.0) > value, column), else_=value)
