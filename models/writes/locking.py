"""The first statements of a change: they lock the job, and read what is needed.

On SQLite, a write transaction locks the whole file when it begins. On Postgres, the statement that reads the job raises
its version, which locks its row. A statement that waits for the lock goes on with the rows as of its own start. A scene
that is read by the same statement is therefore compared with the version of the job: when the two differ, it is read
again.
"""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from models.db import clock
from models.db.drivers import Row
from models.db.prepared import Call, Prepared
from models.db.rows import JOB_COLUMNS, SCENE_SELECT, JobRow, SceneRow, scene_sources, select_columns
from models.db.tables import JOB, SCENE, TAKE
from models.db.transactions import Transaction
from models.writes import outbox

_JOB_ID = sa.bindparam("job_id", type_=JOB.c.id.type)
_SCENE_ID = sa.bindparam("scene_id", type_=SCENE.c.id.type)
_BUMP = sa.update(JOB).where(JOB.c.id == _JOB_ID).values(version=JOB.c.version + 1)
_INSTANT = sa.func.clock_timestamp(type_=JOB.c.created_at.type)

SCENE_OF_JOB = Prepared(SCENE_SELECT.where(SCENE.c.id == _SCENE_ID, SCENE.c.job_id == _JOB_ID))
_JOB_BY_ID = Prepared(sa.select(*JOB_COLUMNS).where(JOB.c.id == _JOB_ID))
_WIDTH = len(JobRow._fields)


def _job_and_scene() -> Prepared:
    joined = JOB.outerjoin(SCENE, (SCENE.c.id == _SCENE_ID) & (SCENE.c.job_id == JOB.c.id))
    job = [column.label(f"of_job_{column.key}") for column in JOB_COLUMNS]
    scene = select_columns(SceneRow._fields, scene_sources())
    sources = joined.outerjoin(TAKE, TAKE.c.id == SCENE.c.take_id)
    return Prepared(sa.select(*job, *scene).select_from(sources).where(JOB.c.id == _JOB_ID))


_JOB_AND_SCENE = _job_and_scene()
_BUMP_JOB_AT = Prepared(_BUMP.returning(_INSTANT.label("now"), *JOB_COLUMNS))


def _bump_and_read_scene() -> Prepared:
    bumped = _BUMP.returning(_INSTANT.label("now"), *JOB_COLUMNS).cte("bumped")
    seen = JOB.alias("seen")
    joined = (
        bumped.join(seen, seen.c.id == bumped.c.id)
        .outerjoin(SCENE, (SCENE.c.id == _SCENE_ID) & (SCENE.c.job_id == bumped.c.id))
        .outerjoin(TAKE, TAKE.c.id == SCENE.c.take_id)
    )
    job = [column.label(f"bumped_{column.key}") for column in bumped.c]
    scene = select_columns(SceneRow._fields, scene_sources(bumped.c))
    return Prepared(sa.select(seen.c.version, *job, *scene).select_from(joined))


_BUMP_AND_READ_SCENE = _bump_and_read_scene()


class Locked(NamedTuple):
    """The job, the instant, and the scene unless it has to be read by itself."""

    job: JobRow
    stored: JobRow
    """The job as it is stored in the transaction now, on Postgres with its version raised."""
    now: datetime
    scene: SceneRow | None = None
    # None where they are not read in the same call.
    subscriptions: list[outbox.Subscription] | None = None


async def lock(transaction: Transaction, job_id: str, scene_id: str | None, *, on_postgres: bool) -> Locked | None:
    """Lock the job; None when there is no such job. Read the scene, if one is given."""
    values = {"job_id": job_id, "scene_id": scene_id}
    if not on_postgres:
        statement = _JOB_BY_ID if scene_id is None else _JOB_AND_SCENE
        found, subscriptions = await transaction.run([Call(statement, [values]), outbox.subscriptions_of(job_id)])
        if not found:
            return None
        job, scene = JobRow._make(found[0][:_WIDTH]), found[0][_WIDTH:]
        known = SceneRow._make(scene) if scene and scene[0] is not None else None
        return Locked(job, job, clock.now(), known, outbox.as_subscriptions(subscriptions))
    if scene_id is None:
        (found,) = await transaction.run([Call(_BUMP_JOB_AT, [values])])
        return _raised(JobRow._make(found[0][1:]), found[0][0]) if found else None
    (found,) = await transaction.run([Call(_BUMP_AND_READ_SCENE, [values])])
    return _locked(found[0]) if found else None


def _locked(row: Row) -> Locked:
    version_seen, now, *rest = row
    job, scene = JobRow._make(rest[:_WIDTH]), rest[_WIDTH:]
    current = job.version == version_seen + 1 and scene[0] is not None
    return _raised(job, now, SceneRow._make(scene) if current else None)


def _raised(stored: JobRow, now: datetime, scene: SceneRow | None = None) -> Locked:
    return Locked(stored._replace(version=stored.version - 1), stored, now, scene)
