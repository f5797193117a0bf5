"""Retention of the event log: an event is kept while it is young or among the newest of its job."""

from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa

from models.db import clock
from models.db.tables import EVENT, JOB
from models.writes.store import Store


class Retention(NamedTuple):
    """How much of each job's log is kept: the newest versions, and all events up to an age."""

    versions: int
    age: timedelta


async def prune(store: Store, retention: Retention) -> int:
    """Delete old events; returns how many. A stream that resumes at a deleted version gets a snapshot."""
    newest = sa.select(JOB.c.version).where(JOB.c.id == EVENT.c.job_id).scalar_subquery()
    async with store.maintenance() as connection:
        instant = await clock.current(connection)
        old = sa.delete(EVENT).where(
            # An event from the future was written before the clock went back; its age is unknown.
            (EVENT.c.occurred_at < instant - retention.age) | (EVENT.c.occurred_at > instant),
            EVENT.c.version <= newest - retention.versions,
        )
        return (await connection.execute(old)).rowcount
