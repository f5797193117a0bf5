"""Lines of work: takes of the provider `leased` wait by what they require of a worker.

They share the turns of the provider: the places in a line are copies of `ownerturn` and `jobturn`. So a worker finds
the next take that it can render by an index, however many others wait. Rows are derived from the waiting scenes of a
job at the end of each change of it, after its turns are written.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from models.db.database import Connection
from models.db.lease_tables import LINE_JOB, LINE_OWNER, WORK_LINE
from models.db.prepared import Call, Prepared
from models.db.rows import JobRow
from models.db.tables import JOB, SCENE
from models.db.transactions import Transaction
from models.db.turn_tables import JOB_TURN, OWNER_TURN
from models.domain.access import LEASED
from models.domain.leases import Demand, demand
from models.domain.lifecycle import SceneStatus
from models.lazy_import import lazily

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

    Insert = sqlite.Insert | postgresql.Insert
else:
    # A server with SQLite does without it.
    postgresql = lazily("sqlalchemy.dialects.postgresql")

_LINE = sa.bindparam("of_line", type_=WORK_LINE.c.line.type)
_OWNER = sa.bindparam("of_owner", type_=JOB.c.owner_id.type)
_JOB = sa.bindparam("of_job", type_=JOB.c.id.type)
_SCENE = sa.bindparam("of_scene", type_=SCENE.c.id.type)
_IN_LINE = (SCENE.c.status == SceneStatus.PENDING, SCENE.c.queued_at.is_not(None), SCENE.c.deleted_at.is_(None))


async def update(transaction: Transaction, job: JobRow) -> None:
    """Write the lines of a leased job, whose scenes and turns are written.

    Lock order: after the turn of the owner; lines in the order of their ids.
    """
    waiting, stored = await transaction.run([Call(_WAITING, [{"of_job": job.id}]), Call(_STORED, [{"of_job": job.id}])])
    demands = {
        scene_id: demand((job.settings, job.metadata), (settings, metadata))
        for scene_id, settings, metadata, _ in waiting
        if job.deleted_at is None
    }
    lines = {each.line: each for each in demands.values()}
    before = {str(line) for (line,) in stored}
    calls = [
        *_moved({scene_id: line for scene_id, _, _, line in waiting}, demands),
        *_left(job, before - lines.keys()),
        *_joined(job, {line: lines[line] for line in sorted(lines.keys() - before)}),
    ]
    if before or lines:
        of_job = [{"of_job": job.id, "of_owner": job.owner_id}]
        calls += [Call(_COPY_JOB_TURN, of_job), Call(_COPY_OWNER_TURN, of_job)]
    await transaction.run(calls)


async def repair(connection: Connection) -> list[str]:
    """Remove what is left over; return jobs whose lines differ, as a process of an older revision has left them."""
    waits = sa.select(SCENE.c.id).where(SCENE.c.job_id == LINE_JOB.c.job_id, *_IN_LINE).correlate(LINE_JOB).exists()
    await connection.execute(sa.delete(LINE_JOB).where(~waits))
    of_owner = sa.select(LINE_JOB.c.job_id).where(
        LINE_JOB.c.line == LINE_OWNER.c.line, LINE_JOB.c.owner_id == LINE_OWNER.c.owner_id
    )
    await connection.execute(sa.delete(LINE_OWNER).where(~of_owner.correlate(LINE_OWNER).exists()))
    used = sa.select(LINE_OWNER.c.line).where(LINE_OWNER.c.line == WORK_LINE.c.line)
    await connection.execute(sa.delete(WORK_LINE).where(~used.correlate(WORK_LINE).exists()))
    missing = (
        sa.select(JOB.c.id)
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
        .outerjoin(LINE_JOB, (LINE_JOB.c.job_id == JOB.c.id) & (LINE_JOB.c.line == SCENE.c.line))
        .where(JOB.c.provider == LEASED, JOB.c.deleted_at.is_(None), *_IN_LINE, LINE_JOB.c.job_id.is_(None))
        .distinct()
    )
    return list((await connection.execute(missing)).scalars())


def _moved(before: Mapping[str, str | None], demands: Mapping[str, Demand]) -> list[Call]:
    """Return the statement that notes in scenes the lines that they have moved to."""
    moved = [
        {"of_scene": scene_id, "of_line": each.line}
        for scene_id, each in demands.items()
        if before[scene_id] != each.line
    ]
    return [Call(_MOVE_SCENE, moved)] if moved else []


def _left(job: JobRow, lines: set[str]) -> list[Call]:
    left = [{"of_job": job.id, "of_line": line} for line in sorted(lines)]
    return [Call(_LEAVE, left)] if left else []


def _joined(job: JobRow, lines: Mapping[str, Demand]) -> list[Call]:
    if not lines:
        return []
    of_owner = [{"of_line": line, "of_owner": job.owner_id} for line in lines]
    made = [{"of_line": line, "of_model": each.model, "of_labels": each.labels} for line, each in lines.items()]
    return [
        Call(_MAKE_LINE, made),
        Call(_JOIN_JOB, [each | {"of_job": job.id} for each in of_owner]),
        Call(_JOIN_OWNER, of_owner),
    ]


def _make(table: sa.Table, values: Mapping[str, Any]) -> Prepared:
    def on(insert: "Callable[[sa.Table], Insert]") -> "Insert":
        return insert(table).values(values).on_conflict_do_nothing()

    return Prepared(on(sqlite.insert), lambda: on(postgresql.insert))


_WAITING = Prepared(
    sa.select(SCENE.c.id, SCENE.c.settings, SCENE.c["metadata"], SCENE.c.line)
    # By the index of jobs, whatever else waits.
    .where(SCENE.c.job_id == _JOB, sa.case((sa.and_(*_IN_LINE), 1), else_=0) == 1)
)
_STORED = Prepared(sa.select(LINE_JOB.c.line).where(LINE_JOB.c.job_id == _JOB))
_MOVE_SCENE = Prepared(sa.update(SCENE).where(SCENE.c.id == _SCENE).values(line=_LINE))
_LEAVE = Prepared(sa.delete(LINE_JOB).where(LINE_JOB.c.job_id == _JOB, LINE_JOB.c.line == _LINE))
_MAKE_LINE = _make(
    WORK_LINE,
    {
        "line": _LINE,
        "model": sa.bindparam("of_model", type_=WORK_LINE.c.model.type),
        "labels": sa.bindparam("of_labels", type_=WORK_LINE.c.labels.type),
    },
)
_JOIN_JOB = _make(LINE_JOB, {"line": _LINE, "job_id": _JOB, "owner_id": _OWNER, "turn": 0})
_JOIN_OWNER = _make(LINE_OWNER, {"line": _LINE, "owner_id": _OWNER, "turn": 0})
_TURN_OF_JOB = sa.select(JOB_TURN.c.turn).where(JOB_TURN.c.job_id == _JOB).scalar_subquery()
_TURN_OF_OWNER = (
    sa.select(OWNER_TURN.c.turn)
    .where(OWNER_TURN.c.provider == LEASED, OWNER_TURN.c.owner_id == _OWNER)
    .scalar_subquery()
)
_COPY_JOB_TURN = Prepared(
    sa.update(LINE_JOB).where(LINE_JOB.c.job_id == _JOB).values(turn=sa.func.coalesce(_TURN_OF_JOB, 0))
)
_COPY_OWNER_TURN = Prepared(
    sa.update(LINE_OWNER).where(LINE_OWNER.c.owner_id == _OWNER).values(turn=sa.func.coalesce(_TURN_OF_OWNER, 0))
)
