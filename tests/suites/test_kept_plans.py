"""Postgres keeps the plans of lists, and reads few rows by them for any distribution of jobs over owners.

To plan a list again takes longer than to read the page. So no plan may depend on the values of parameters, and each
must be good for owners with a few jobs and for one with half of all.
"""

import asyncio
import json
from collections.abc import Generator
from dataclasses import replace
from functools import cache
from itertools import cycle, product
from typing import Any, cast

import pytest
import sqlalchemy as sa

from bench import data, varied
from bench.data import Row
from models.db.database import Connection, Database
from models.db.readers import fetch
from models.db.recent import Recent
from models.db.statements import Statement, Values
from models.domain import access
from models.domain.access import Viewer
from models.domain.lifecycle import JobStatus
from models.domain.paging import Window
from models.reads import listing
from models.reads.list_plans import Source
from models.reads.listing import JobOrderField, JobQuery
from models.reads.narrowing import SAMPLE
from tests.support.postgres import Databases

# With fewer jobs Postgres keeps every plan, and reads all of them in little time.
JOBS = 10_000
# It keeps no plan before the sixth use.
TIMES, PLANNED = 8, 5
# An owner of half of the jobs; each other one has a few.
HEAVY, LIGHT, JOBS_OF_LIGHT = varied.OWNER, "owner-8", 3
PAGE = 10
MOST_ROWS = SAMPLE + 5 * PAGE
# An index in which all entries of an owner with many jobs are passed over has a hundred.
MOST_BLOCKS_OF_INDEXES = 40
VIEWERS = {
    "an administrator": access.LOCAL,
    "a heavy owner": Viewer(HEAVY, "Ann", ("user",)),
    "a light owner": Viewer(LIGHT, "Light", ("user",)),
    "a heavy worker": Viewer(HEAVY, "Ann", ("worker",)),
    "a light worker": Viewer(LIGHT, "Light", ("worker",)),
    "a stranger": Viewer("stranger", "Stranger", ("user",)),
}
LATELY, EARLIER = varied.RECENT, varied.EPOCH
FILTERS = {
    "all": JobQuery(),
    "a common status": JobQuery(status=[JobStatus.PROCESSING]),
    "a status of a tenth": JobQuery(status=[JobStatus.CANCELED]),
    "a rare status": JobQuery(status=[JobStatus.FAILED]),
    "two rare statuses": JobQuery(status=[JobStatus.FAILED, JobStatus.PENDING]),
    "three statuses": JobQuery(status=[JobStatus.FAILED, JobStatus.CANCELED, JobStatus.COMPLETED]),
    "changed lately": JobQuery(updated_since=LATELY),
    "changed at any time": JobQuery(updated_since=EARLIER),
    "a common status, changed lately": JobQuery(status=[JobStatus.FAILED, JobStatus.PROCESSING], updated_since=LATELY),
    "a rare word": JobQuery(search=varied.RARE_TITLE),
    "a common word": JobQuery(search=varied.COMMON_TITLE),
    "a heavy owner": JobQuery(owner_id=HEAVY),
    "a light owner": JobQuery(owner_id=LIGHT),
    "a heavy owner's rare status": JobQuery(owner_id=HEAVY, status=[JobStatus.FAILED]),
    "a light owner's common statuses": JobQuery(owner_id=LIGHT, status=[JobStatus.PROCESSING, JobStatus.COMPLETED]),
    "changed lately of a heavy owner": JobQuery(owner_id=HEAVY, updated_since=LATELY),
}
ORDERS = list(product(JobOrderField, (True, False)))
COLUMNS = ("id", "title", "created_at")


def skewed(jobs: int) -> dict[str, list[Row]]:
    """Return the rows of varied jobs without their scenes: of one owner with half of them, and many with a few."""
    rows = varied.varied(jobs)["job"]
    for number, job in enumerate(rows):
        job["owner_id"] = HEAVY if number // JOBS_OF_LIGHT % 2 else f"owner-{number // JOBS_OF_LIGHT}"
    return {"job": rows}


@pytest.fixture(scope="module")
def url(postgres: Databases) -> Generator[str]:
    """A database in which some filters leave few jobs, and others many."""
    made = postgres.create()
    asyncio.run(data.fill_postgres(made, JOBS, skewed))
    asyncio.run(data.bring_to_rest(made))
    yield made
    postgres.drop(made)


class Noting:
    """A source that notes the statements of lists, and has no counts of others."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.source = Source("postgresql", self._fetch, Recent())
        self.statements: list[tuple[str, tuple[Any, ...]]] = []

    async def _fetch(self, statement: Statement, values: Values) -> list[Any]:
        self.statements.append((statement.text, statement.arguments(values)))
        return await fetch(self._connection, statement, values)


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_pages_are_read_by_kept_plans(url: str, viewer: str) -> None:
    """By the same plan for any values: of every filter, in orders in turn."""
    database = Database(url)
    async with database.read() as connection:
        kept = sa.text("SELECT sum(generic_plans) FROM pg_prepared_statements WHERE statement = :text")
        for (name, query), (order, descending) in zip(FILTERS.items(), cycle(ORDERS), strict=False):
            noting = Noting(connection)
            given = replace(query, order=order, descending=descending)
            for _ in range(TIMES):
                await listing.narrow_jobs_page(noting.source, VIEWERS[viewer], given, Window(50), COLUMNS)
            text, _ = noting.statements[-1]
            times = (await connection.execute(kept, {"text": text})).scalar_one()
            assert times >= TIMES - PLANNED, (name, order, descending, text)
    await database.close()


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_kept_plan_reads_few_rows(url: str, viewer: str) -> None:
    """Of each filter in each order, and behind a cursor: not all jobs, nor all of an owner with many."""
    database = Database(url)
    async with database.read() as connection:
        await connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
        for (name, query), (order, descending) in product(FILTERS.items(), ORDERS):
            given = replace(query, order=order, descending=descending)
            for window in (Window(PAGE), Window(PAGE, backward=True), Window(PAGE, after=cursor(given))):
                noting = Noting(connection)
                await listing.narrow_jobs_page(noting.source, VIEWERS[viewer], given, window, COLUMNS)
                for text, arguments in noting.statements:
                    rows, blocks, plan = await what_is_read(connection, text, arguments)
                    case = f"{name}, {order}, {descending}, {window}: {rows} rows, {blocks} blocks\n{text}\n{plan}"
                    assert rows <= MOST_ROWS, case
                    assert blocks <= 2 * rows + MOST_BLOCKS_OF_INDEXES, case
    await database.close()


@cache
def jobs_in_order(name: str) -> list[Row]:
    """Return all jobs by a column."""
    return sorted(skewed(JOBS)["job"], key=lambda job: (job[name], job["id"]))


def cursor(query: JobQuery) -> tuple[str, ...]:
    """Return a cursor in the middle of the jobs that have changed since the given instant."""
    name = query.order.value.lower()
    changed = [job for job in jobs_in_order(name) if query.updated_since is None or job["updated_at"] >= LATELY]
    job = changed[len(changed) // 2]
    value = job[name] if query.order is JobOrderField.TITLE else job[name].isoformat()
    return (query.order.value, value, job["id"])


async def what_is_read(connection: Connection, text: str, arguments: tuple[Any, ...]) -> tuple[int, int, str]:
    """Return how many rows and blocks a statement reads by a plan for any values, and the plan."""
    await connection.exec_driver_sql(f"PREPARE reading AS {text}")
    given = f"({', '.join(map(quoted, arguments))})" if arguments else ""
    (found,) = (await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE reading{given}")).scalars()
    await connection.exec_driver_sql("DEALLOCATE reading")
    (explained,) = json.loads(found) if isinstance(found, str) else found
    plan = explained["Plan"]
    return rows_of(plan), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], json.dumps(plan, indent=1)


def rows_of(plan: dict[str, Any]) -> int:
    """Return how many rows the scans of a plan looked at."""
    below = sum(rows_of(each) for each in plan.get("Plans", ()))
    if "Scan" not in plan["Node Type"] or "Subquery" in plan["Node Type"]:
        return below
    removed = sum(value for key, value in plan.items() if key.startswith("Rows Removed"))
    return below + round(plan["Actual Loops"] * (plan["Actual Rows"] + removed))


def quoted(value: object) -> str:
    """Return a value as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return f"ARRAY[{', '.join(map(quoted, cast('list[object]', value)))}]"
    return "'" + str(value).replace("'", "''") + "'"
