"""What a leased worker gets next, and why it gets nothing.

Each line holds takes with the same requirements (`models.writes.lines`). The next take of a worker is the first of
those at the heads of the lines that it is fit for: by the turn of the owner, then of the job, then first in, first out.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.selectable import NamedFromClause

from models.db.database import Connection
from models.db.lease_tables import LINE_JOB, LINE_OWNER, WORK_LINE
from models.db.tables import JOB, SCENE
from models.domain.leases import Demand
from models.domain.lifecycle import SceneStatus

# Not parameters, from which a generic plan of Postgres could not estimate how few rows are read.
_ONE, _NONE = sa.literal_column("1", sa.Integer), sa.literal_column("0", sa.Integer)
# Lines of one model, with different labels, that are looked at for a claim.
LINES_AT_ONCE = 500
# Takes that are counted when a worker gets none.
MOST_COUNTED = 10_000


class Head(NamedTuple):
    """The take at the head of a line, with the turns by which heads are compared."""

    owner_turn: int
    job_turn: int
    queued_at: datetime
    position: int
    scene_id: str
    job_id: str
    take_number: int


async def lines_for(
    connection: Connection, models: Sequence[str], labels: dict[str, Any], owner_id: str | None
) -> list[str]:
    """Return the lines, of this owner if one is given, that a worker with these models and labels is fit for."""
    waits = sa.select(LINE_OWNER.c.line).where(LINE_OWNER.c.line == WORK_LINE.c.line)
    if owner_id is not None:
        waits = waits.where(LINE_OWNER.c.owner_id == owner_id)
    query = sa.select(WORK_LINE.c.line, WORK_LINE.c.model, WORK_LINE.c.labels).where(
        WORK_LINE.c.model.is_(None) | WORK_LINE.c.model.in_(models), waits.correlate(WORK_LINE).exists()
    )
    found = await connection.execute(query.order_by(WORK_LINE.c.line).limit(LINES_AT_ONCE))
    return [line for line, model, required in found if Demand(model, required).has_labels(labels)]


async def next_head(
    connection: Connection, lines: Sequence[str], due: datetime, owner_id: str | None, skipped: Sequence[str] = ()
) -> Head | None:
    """Return the take to be claimed next from these lines, of this owner if one is given; None if none is due."""
    heads: list[Head] = []
    for line in lines:
        values = {"line": line, "due": due, "owner": owner_id}
        found = (await connection.execute(head_statement(of_owner=owner_id is not None), values)).first()
        if found is not None:
            heads.append(Head._make(found))
    return min((head for head in heads if head.scene_id not in skipped), default=None)


async def next_due(connection: Connection, lines: Sequence[str], after: datetime) -> datetime | None:
    """Return when the first retry in these lines is due whose pause is not over."""
    query = (
        sa.select(sa.func.min(SCENE.c.next_attempt_at))
        .select_from(LINE_JOB.join(SCENE, SCENE.c.job_id == LINE_JOB.c.job_id))
        .where(LINE_JOB.c.line.in_(lines), *waiting(SCENE), SCENE.c.next_attempt_at > after)
    )
    return (await connection.execute(query)).scalar() if lines else None


async def counts(connection: Connection, owner_id: str | None) -> list[tuple[Demand, int, int]]:
    """Return how many takes wait with each demand, of this owner if one is given, and how many of them are paused.

    At most MOST_COUNTED are counted, those that wait longest.
    """
    some = (
        sa.select(SCENE.c.line, SCENE.c.next_attempt_at)
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
        .where(*waiting(SCENE), SCENE.c.line.is_not(None), JOB.c.deleted_at.is_(None))
        .where(sa.true() if owner_id is None else JOB.c.owner_id == owner_id)
        .limit(MOST_COUNTED)
        .subquery()
    )
    query = (
        sa.select(WORK_LINE.c.model, WORK_LINE.c.labels, sa.func.count(), sa.func.count(some.c.next_attempt_at))
        .select_from(some.join(WORK_LINE, WORK_LINE.c.line == some.c.line))
        .group_by(WORK_LINE.c.line)
    )
    return [(Demand(model, labels), takes, paused) for model, labels, takes, paused in await connection.execute(query)]


@lru_cache(2)
def head_statement(*, of_owner: bool) -> sa.Select[Any]:
    """Return the SELECT of the head of a line: it looks at owners and jobs in the order of an index."""
    line = sa.bindparam("line", type_=LINE_OWNER.c.line.type)
    owners, jobs = LINE_OWNER.alias("owners"), LINE_JOB.alias("jobs")
    of_one = owners.c.owner_id == sa.bindparam("owner", type_=LINE_OWNER.c.owner_id.type) if of_owner else sa.true()
    first_job = _due_job(jobs, owners).order_by(jobs.c.turn, jobs.c.job_id).limit(_ONE).scalar_subquery()
    job_id = (
        sa.select(first_job)
        .where(owners.c.line == line, of_one, _due_job(LINE_JOB.alias("any_job"), owners).exists())
        .order_by(owners.c.turn, owners.c.owner_id)
        .limit(_ONE)
        .scalar_subquery()
    )
    return (
        sa.select(LINE_OWNER.c.turn, LINE_JOB.c.turn, SCENE.c.queued_at, SCENE.c.position, SCENE.c.id, SCENE.c.job_id)
        .add_columns(SCENE.c.take_number)
        .select_from(
            SCENE.join(LINE_JOB, (LINE_JOB.c.job_id == SCENE.c.job_id) & (LINE_JOB.c.line == line)).join(
                LINE_OWNER, (LINE_OWNER.c.line == line) & (LINE_OWNER.c.owner_id == LINE_JOB.c.owner_id)
            )
        )
        .where(*_due(SCENE, job_id, line))
        .order_by(SCENE.c.queued_at, SCENE.c.position, SCENE.c.id)
        .limit(_ONE)
    )


def waiting(scenes: sa.FromClause) -> list[sa.ColumnElement[bool]]:
    """Return the condition of scenes whose takes wait."""
    return [
        scenes.c.status == SceneStatus.PENDING,
        scenes.c.queued_at.is_not(None),
        scenes.c.deleted_at.is_(None),
    ]


def _due_job(jobs: NamedFromClause, owners: NamedFromClause) -> sa.Select[Any]:
    """Return the SELECT of the jobs of an owner with a take in the line that can be claimed."""
    scenes = SCENE.alias()
    return (
        sa.select(jobs.c.job_id)
        .where(
            jobs.c.line == owners.c.line,
            jobs.c.owner_id == owners.c.owner_id,
            sa.select(scenes.c.id)
            .where(*_due(scenes, jobs.c.job_id, jobs.c.line))
            .offset(_NONE)
            .correlate(jobs)
            .exists(),
        )
        # Without an offset, Postgres may join before it looks for the first, and read all that waits.
        .offset(_NONE)
        .correlate(owners)
    )


def _due(scenes: sa.FromClause, job_id: Any, line: Any) -> list[sa.ColumnElement[bool]]:
    """Return the condition of the scenes of a job that wait in a line, and whose pause, if any, is over."""
    pause = scenes.c.next_attempt_at
    waits = sa.and_(
        *waiting(scenes),
        scenes.c.line == line,
        pause.is_(None) | (pause <= sa.bindparam("due", type_=SCENE.c.next_attempt_at.type)),
    )
    # In a CASE, so that the scenes are found by the index of their job, and not by one of all that wait.
    return [scenes.c.job_id == job_id, sa.case((waits, 1), else_=0) == 1]
