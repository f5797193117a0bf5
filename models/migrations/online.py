"""The parts of migrations on Postgres that take long in a large database, made while processes of the former revision
read and write.

They run outside of the migration's transaction, whose locks would block every writer. Each may be repeated.
"""

import importlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from types import ModuleType
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError

from models.db.cancellation import raise_if_cancelled
from models.db.database import Connection, Database
from models.writes import job_counts

# The revision that prepares the work on lists, and the one that says that it is done.
PREPARED, DONE = "0007", "0008"
TITLES_AT_ONCE = 5_000
# https://www.postgresql.org/docs/current/errcodes-appendix.html
DEADLOCK = "40P01"

_STATE = """
    SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relname = $1 AND pg_table_is_visible(pg_class.oid)
"""
# A title that changes meanwhile is written by the trigger; a row that it has written is newer than ours. The lock waits
# for those that delete the jobs: their triggers would not see our rows, which would remain.
_TITLES = """
    WITH titles AS (SELECT id, title_folded FROM job WHERE id > $1 ORDER BY id LIMIT $2 FOR KEY SHARE),
      added AS (INSERT INTO jobtitle (job_id, folded)
        SELECT id, title_folded FROM titles WHERE title_folded IS NOT NULL ON CONFLICT DO NOTHING)
    SELECT max(id) FROM titles
"""


class Stage(NamedTuple):
    """Work that is done between two revisions: the one that prepares it, and the one that says that it is done."""

    prepared: str
    done: str
    build: Callable[[Database], Awaitable[None]]


def stages(before: str | None, target: str) -> Iterator[Stage]:
    """Yield the work of an upgrade between two revisions, in order."""
    for stage in (
        Stage(PREPARED, DONE, build),
        Stage("0009", "0010", partial(_build_one, "0009_reports_of_workers")),
        Stage("0017", "0018", partial(_build_one, "0017_reported_jobs_of_owners")),
    ):
        if (before or "") < stage.done <= target:
            yield stage


async def build(database: Database) -> None:
    """Make the indexes of revision 0007, drop those that they replace, and fill its tables."""
    lists = _lists()
    async with database.connect(database.maintenance) as connection:
        # Neither CREATE nor DROP INDEX CONCURRENTLY runs in a transaction.
        free = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for index in lists.MADE:
            await _make(free, index.name, index.statement("CONCURRENTLY "))
        for name in (*(index.name for index in lists.DROPPED), "ix_job_title_folded"):
            await free.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        after: str | None = ""
        while after is not None:
            after = await _add_titles(free, after)
        await free.exec_driver_sql("ANALYZE job")
        await free.exec_driver_sql("ANALYZE jobtitle")
    await job_counts.recount(database)


async def _add_titles(free: Connection, after: str) -> str | None:
    """Fill the table of titles for the next jobs; return the last one's id, None if there are none."""
    while True:
        try:
            return (await free.exec_driver_sql(_TITLES, (after, TITLES_AT_ONCE))).scalar()
        except DBAPIError as error:
            # With a purge, which locks jobs in another order.
            if getattr(error.orig, "sqlstate", None) != DEADLOCK:
                raise
            raise_if_cancelled(error)


async def _build_one(revision: str, database: Database) -> None:
    """Make the index of a revision that has a single one."""
    async with database.connect(database.maintenance) as connection:
        free = await connection.execution_options(isolation_level="AUTOCOMMIT")
        migration = importlib.import_module(f"models.migrations.versions.{revision}")
        await _make(free, migration.INDEX, migration.STATEMENT)


async def _make(free: Connection, name: str, statement: str) -> None:
    """Make an index, unless it is there and complete."""
    valid = (await free.exec_driver_sql(_STATE, (name,))).scalar()
    if valid is False:
        # Left behind by a migration that was interrupted.
        await free.exec_driver_sql(f"DROP INDEX CONCURRENTLY {name}")
    if not valid:
        await free.exec_driver_sql(statement)


def _lists() -> ModuleType:
    return importlib.import_module("models.migrations.versions.0007_lists_that_do_not_grow")
