"""The clock by which stored instants are written and compared: that of the database.

On Postgres, processes on several machines share the clock of the database; SQLite has the one of its only process.
Either may go back, so an instant that lies further ahead than it was ever set counts as reached. See
docs/decisions/0013-clock.md.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import JOB
from models.domain.instants import SLACK

_TYPE = JOB.c.created_at.type


def now() -> datetime:
    """Return the instant by the clock of this process, in UTC: for what is not compared with stored instants."""
    return datetime.now(UTC)


def expression(connection: Connection) -> sa.ColumnElement[datetime]:
    """Return the current instant of the database as an SQL expression, which advances within a transaction."""
    if connection.dialect.name == "postgresql":
        return sa.func.clock_timestamp(type_=_TYPE)
    return sa.literal(now(), _TYPE)


async def current(connection: Connection) -> datetime:
    """Return the current instant of the database, in UTC."""
    if connection.dialect.name != "postgresql":
        return now()
    instant: datetime = (await connection.execute(sa.select(expression(connection)))).scalar_one()
    return instant


def reached(column: sa.ColumnElement[datetime | None], instant: datetime, longest: timedelta) -> sa.ColumnElement[bool]:
    """Return the condition that a stored instant is reached; see `models.domain.instants.ahead`."""
    return (column <= instant) | (column > instant + longest + SLACK)
