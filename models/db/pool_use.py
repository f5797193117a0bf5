"""How many connections of a process to its database are busy."""

from typing import NamedTuple

from models.db.database import Database
from models.db.engines import READERS, WRITERS, in_use


class PoolUse(NamedTuple):
    """A pool, the connections of it that are busy, and how many there may be; requests wait for one above that."""

    pool: str
    busy: int
    limit: int


def pool_use(database: Database) -> list[PoolUse]:
    """Return the use of each pool: on SQLite that of writers and of readers, on Postgres one for both."""
    readers = PoolUse("reader", max(0, in_use(database.reader) - database.readers.idle), READERS)
    if not database.embedded:
        return [readers._replace(pool="all")]
    return [PoolUse("writer", in_use(database.writer), WRITERS), readers]
