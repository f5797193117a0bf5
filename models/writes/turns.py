"""Turns, by which takes are shared out: owners take turns, and so do the jobs of each owner.

A claim sends its owner to the end of the line of owners, and its job to the end of the line of the owner's jobs. Who
starts to wait joins at the end. A job has a row while takes of it wait; the row of an owner may be left over.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from models.db.database import Connection
from models.db.prepared import Call, Prepared
from models.db.rows import JobRow
from models.db.tables import JOB, SCENE
from models.db.turn_tables import JOB_TURN, OWNER_TURN
from models.domain.access import EXTERNAL
from models.lazy_import import lazily
from models.reads.queries import waits_for_worker

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

    Insert = sqlite.Insert | postgresql.Insert
else:
    # A server with SQLite does without it.
    postgresql = lazily("sqlalchemy.dialects.postgresql")

_PROVIDER = sa.bindparam("provider", type_=JOB.c.provider.type)
_OWNER = sa.bindparam("owner_id", type_=JOB.c.owner_id.type)
_JOB = sa.bindparam("job_id", type_=JOB.c.id.type)


def calls(before: JobRow, after: JobRow, *, scheduled: bool, claimed: bool, returned: bool = False) -> Sequence[Call]:
    """Return the last statements of a change of a job: it `scheduled` takes for our workers, or `claimed` one.

    A take that is `returned` gets the turn back that it was claimed in: its owner and its job are next.

    Lock order: job row, then allowance row, then the owner's turn. Nothing is waited for after that.
    """
    if after.provider == EXTERNAL:
        return ()
    values = [{"provider": after.provider, "owner_id": after.owner_id, "job_id": after.id}]
    found: list[Call] = []
    if after.pending:
        if claimed:
            found.append(Call(_JOB_TO_END, values))
        elif returned:
            found.append(Call(_JOB_TO_FRONT, values))
        elif scheduled:
            found.append(Call(_JOIN_JOB, values))
    elif before.pending:
        found.append(Call(_LEAVE, values))
    if claimed:
        found.append(Call(_OWNER_TO_END, values))
    elif returned:
        found.append(Call(_OWNER_TO_FRONT, values))
    elif scheduled:
        found.append(Call(_JOIN_OWNER, values))
    return found


async def repair(connection: Connection) -> None:
    """Add the turns of waiting takes that an earlier program scheduled, and remove turns without waiting takes."""
    waiting = sa.select(SCENE.c.id).where(SCENE.c.job_id == JOB_TURN.c.job_id, waits_for_worker())
    waits = waiting.select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id)).correlate(JOB_TURN).exists()
    await connection.execute(sa.delete(JOB_TURN).where(~waits))
    jobs = sa.select(JOB_TURN.c.job_id).where(
        JOB_TURN.c.provider == OWNER_TURN.c.provider, JOB_TURN.c.owner_id == OWNER_TURN.c.owner_id
    )
    await connection.execute(sa.delete(OWNER_TURN).where(~jobs.exists()))
    missing = (
        sa.select(JOB.c.provider, JOB.c.owner_id, JOB.c.id.label("job_id"))
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
        .outerjoin(JOB_TURN, JOB_TURN.c.job_id == JOB.c.id)
        .outerjoin(OWNER_TURN, (OWNER_TURN.c.provider == JOB.c.provider) & (OWNER_TURN.c.owner_id == JOB.c.owner_id))
        .where(waits_for_worker(), JOB_TURN.c.job_id.is_(None) | OWNER_TURN.c.owner_id.is_(None))
        .distinct()
        .order_by(JOB.c.id)
    )
    kind = connection.dialect.name
    insert = sqlite.insert if kind == "sqlite" else postgresql.insert
    for row in (await connection.execute(missing)).mappings().all():
        await connection.execute(_join_owner(insert), dict(row))
        await connection.execute(_join_job(insert), dict(row))


def _end(table: sa.Table) -> sa.ColumnElement[int]:
    return (sa.func.coalesce(sa.func.max(table.c.turn), 0) + 1).label("turn")


_END_OF_OWNERS = sa.select(_PROVIDER.label("provider"), _OWNER.label("owner_id"), _end(OWNER_TURN)).where(
    OWNER_TURN.c.provider == _PROVIDER
)
_END_OF_JOBS = sa.select(
    _JOB.label("job_id"), _PROVIDER.label("provider"), _OWNER.label("owner_id"), _end(JOB_TURN)
).where(JOB_TURN.c.provider == _PROVIDER, JOB_TURN.c.owner_id == _OWNER)


def _insert_owner(insert: "Callable[[sa.Table], Insert]") -> "Insert":
    return insert(OWNER_TURN).from_select(["provider", "owner_id", "turn"], _END_OF_OWNERS)


def _insert_job(insert: "Callable[[sa.Table], Insert]") -> "Insert":
    return insert(JOB_TURN).from_select(["job_id", "provider", "owner_id", "turn"], _END_OF_JOBS)


def _join_owner(insert: "Callable[[sa.Table], Insert]") -> "Insert":
    return _insert_owner(insert).on_conflict_do_nothing()


def _join_job(insert: "Callable[[sa.Table], Insert]") -> "Insert":
    return _insert_job(insert).on_conflict_do_nothing()


def _owner_to_end(insert: "Callable[[sa.Table], Insert]") -> "Insert":
    statement = _insert_owner(insert)
    return statement.on_conflict_do_update(
        index_elements=["provider", "owner_id"], set_={"turn": statement.excluded.turn}
    )


def _job_to_end(insert: "Callable[[sa.Table], Insert]") -> "Insert":
    statement = _insert_job(insert)
    return statement.on_conflict_do_update(index_elements=["job_id"], set_={"turn": statement.excluded.turn})


def _owner_to_front(insert: "Callable[[sa.Table], Insert]") -> "Insert":
    statement = insert(OWNER_TURN).values(provider=_PROVIDER, owner_id=_OWNER, turn=_FRONT)
    return statement.on_conflict_do_update(index_elements=["provider", "owner_id"], set_={"turn": _FRONT})


def _job_to_front(insert: "Callable[[sa.Table], Insert]") -> "Insert":
    statement = insert(JOB_TURN).values(job_id=_JOB, provider=_PROVIDER, owner_id=_OWNER, turn=_FRONT)
    return statement.on_conflict_do_update(index_elements=["job_id"], set_={"turn": _FRONT})


# Others begin at 1.
_FRONT = sa.literal_column("0", sa.BigInteger)
_JOIN_OWNER = Prepared(_join_owner(sqlite.insert), lambda: _join_owner(postgresql.insert))
_JOIN_JOB = Prepared(_join_job(sqlite.insert), lambda: _join_job(postgresql.insert))
_OWNER_TO_END = Prepared(_owner_to_end(sqlite.insert), lambda: _owner_to_end(postgresql.insert))
_JOB_TO_END = Prepared(_job_to_end(sqlite.insert), lambda: _job_to_end(postgresql.insert))
_OWNER_TO_FRONT = Prepared(_owner_to_front(sqlite.insert), lambda: _owner_to_front(postgresql.insert))
_JOB_TO_FRONT = Prepared(_job_to_front(sqlite.insert), lambda: _job_to_front(postgresql.insert))
_LEAVE = Prepared(sa.delete(JOB_TURN).where(JOB_TURN.c.job_id == _JOB))
