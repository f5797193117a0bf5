"""Three ways to read the version of a job in an answer."""

from typing import Any

import sqlalchemy as sa

from models.db.database import Database
from models.db.readers import fetch
from models.db.snapshot import Snapshot
from models.db.statements import Statement, among
from models.db.tables import JOB


def versions(database: Database, job_id: str) -> tuple[Statement, dict[str, Any]]:
    """Return the statement that reads the version of a job, and its values."""
    select = sa.select(JOB.c.version).where(among(database.kind, JOB.c.id, "ids"))
    return Statement(database.kind, select), {"ids": [job_id]}


async def raw(snapshot: Snapshot, database: Database, job_id: str) -> int:
    """Read the version on the driver's connection."""
    ((version,),) = await snapshot.fetch(*versions(database, job_id))
    return version


async def ordinary(snapshot: Snapshot, _database: Database, job_id: str) -> int:
    """Read the version through SQLAlchemy."""
    async with snapshot.read() as connection:
        return (await connection.execute(sa.select(JOB.c.version).where(JOB.c.id == job_id))).scalar_one()


async def through_connection(snapshot: Snapshot, database: Database, job_id: str) -> int:
    """Read the version with a compiled statement on SQLAlchemy's connection."""
    async with snapshot.read() as connection:
        ((version,),) = await fetch(connection, *versions(database, job_id))
        return version


WAYS = {"raw": raw, "ordinary": ordinary, "connection": through_connection}
