"""Whose turn it is: the take that is claimed next.

Owners take turns, and so do the jobs of each owner (`models.writes.turns`); the takes of a job go first in, first out,
those of one moment in play order. The number of takes before another one is in `models.reads.places`.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import NamedFromClause

from models.db.database import Connection
from models.db.tables import JOB, SCENE
from models.db.turn_tables import JOB_TURN, OWNER_TURN
from models.domain.lifecycle import SceneStatus

# The order of the takes of a job.
IN_JOB = (SCENE.c.queued_at, SCENE.c.position, SCENE.c.id)
# Not parameters, from which a generic plan of Postgres could not estimate how few rows are read.
_ONE, _NONE = sa.literal_column("1", sa.Integer), sa.literal_column("0", sa.Integer)


async def next_scene(connection: Connection, provider: str, due: datetime) -> str | None:
    """Return the scene whose waiting take is to be claimed next; its pause, if it has one, is over at `due`."""
    return (await connection.execute(next_scene_statement(), {"provider": provider, "due": due})).scalar()


@lru_cache(1)
def next_scene_statement() -> sa.Select[Any]:
    """Return the SELECT of the next scene. It looks at owners and jobs in the order of an index, up to the first."""
    owners, provider = OWNER_TURN.alias("owners"), sa.bindparam("provider", type_=OWNER_TURN.c.provider.type)
    jobs = JOB_TURN.alias("jobs")
    first_job = _due_job(jobs, owners).order_by(jobs.c.turn, jobs.c.job_id).limit(_ONE).scalar_subquery()
    job_id = (
        sa.select(first_job)
        .where(owners.c.provider == provider, _due_job(JOB_TURN.alias("any_job"), owners).exists())
        .order_by(owners.c.turn, owners.c.owner_id)
        .limit(_ONE)
        .scalar_subquery()
    )
    return sa.select(SCENE.c.id).where(*_due(SCENE, job_id)).order_by(*IN_JOB).limit(_ONE)


def _due_job(jobs: NamedFromClause, owners: NamedFromClause) -> sa.Select[Any]:
    """Return the SELECT of the jobs of an owner with a take that can be claimed."""
    scenes, live = SCENE.alias(), JOB.alias()
    return (
        sa.select(jobs.c.job_id)
        .select_from(jobs.join(live, live.c.id == jobs.c.job_id))
        .where(
            jobs.c.provider == owners.c.provider,
            jobs.c.owner_id == owners.c.owner_id,
            live.c.deleted_at.is_(None),
            sa.select(scenes.c.id).where(*_due(scenes, jobs.c.job_id)).offset(_NONE).correlate(jobs).exists(),
        )
        # Without an offset, Postgres may join before it looks for the first, and read all that waits.
        .offset(_NONE)
        .correlate(owners)
    )


def _due(scenes: sa.FromClause, job_id: Any) -> list[sa.ColumnElement[bool]]:
    """Return the condition of the scenes of a job that wait, and whose pause, if they have one, is over."""
    pause = scenes.c.next_attempt_at
    waits = sa.and_(
        scenes.c.status == SceneStatus.PENDING,
        scenes.c.queued_at.is_not(None),
        scenes.c.deleted_at.is_(None),
        pause.is_(None) | (pause <= sa.bindparam("due", type_=SCENE.c.next_attempt_at.type)),
    )
    # In a CASE, so that the scenes are found by the index of their job, and not by one of all that wait.
    return [scenes.c.job_id == job_id, sa.case((waits, 1), else_=0) == 1]


async def rendered_under(connection: Connection, ticket: str) -> str | None:
    """Return the scene whose render, going on or abandoned, was begun under the ticket with this key."""
    query = sa.select(SCENE.c.id).where(
        SCENE.c.status == SceneStatus.PROCESSING,
        SCENE.c.leased_by.is_not(None),
        SCENE.c.ticket == ticket,
        SCENE.c.deleted_at.is_(None),
    )
    return (await connection.execute(query.limit(1))).scalar()
