"""Retention of the log: an event is kept while it is young or among a job's newest, whichever keeps more."""

from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa

from models.db.tables import EVENT, JOB
from models.writes.store import Store, now


class Retention(NamedTuple):
    """How much of each job's log is kept."""

    versions: int
    age: timedelta


async def prune(store: Store, kept: Retention) -> int:
    """Delete what need not be kept; how many events that were. Streams that name such a version get a snapshot."""
    newest = sa.select(JOB.c.version).where(JOB.c.id == EVENT.c.job_id).scalar_subquery()
    old = sa.delete(EVENT).where(
        EVENT.c.occurred_at < now() - kept.age,
        EVENT.c.version <= newest - kept.versions,
    )
    async with store.maintenance() as connection:
        return (await connection.execute(old)).rowcount
