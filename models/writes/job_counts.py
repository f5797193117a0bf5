"""The numbers of jobs by owner and status, which triggers of the database keep: see revision 0007.

On Postgres each change adds a row, so that no two transactions wait for each other; `merge` adds the rows up.
"""

from models.db.database import Database

_GROUP = "owner_id, status, external, live"
_MERGE = f"""
    WITH merged AS (DELETE FROM jobcount RETURNING {_GROUP}, jobs)
    INSERT INTO jobcount ({_GROUP}, jobs)
    SELECT {_GROUP}, sum(jobs) FROM merged GROUP BY {_GROUP} HAVING sum(jobs) <> 0
"""  # noqa: S608 # our own names
# One statement reads one moment, and adds what is missing from the sums then.
_RECOUNT = f"""
    WITH counted AS (
        SELECT owner_id, status, provider = 'external' AS external, deleted_at IS NULL AS live, count(*) AS jobs
        FROM job GROUP BY 1, 2, 3, 4
      ), differences AS (
        SELECT {_GROUP}, jobs FROM counted
        UNION ALL SELECT '', status, external, live, jobs FROM counted
        UNION ALL SELECT {_GROUP}, -jobs FROM jobcount
      )
    INSERT INTO jobcount ({_GROUP}, jobs)
    SELECT {_GROUP}, sum(jobs) FROM differences GROUP BY {_GROUP} HAVING sum(jobs) <> 0
"""  # noqa: S608 # our own names


async def merge(database: Database) -> None:
    """Add up the rows of each sum on Postgres, where each change has added one."""
    if not database.embedded:
        await _execute(database, _MERGE)


async def recount(database: Database) -> None:
    """Recount the jobs of a Postgres while they change."""
    await _execute(database, _RECOUNT)


async def _execute(database: Database, statement: str) -> None:
    async with database.maintenance.begin() as connection:
        await connection.exec_driver_sql(statement)
