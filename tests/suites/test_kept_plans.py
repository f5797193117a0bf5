"""Postgres keeps the plans of lists: to plan one again takes longer than to read the page."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest
import sqlalchemy as sa

from bench import data, varied
from bench.data import Row
from models.db.database import Database
from models.db.readers import fetch
from models.db.statements import Statement, Values
from models.domain import access
from models.domain.access import Viewer
from models.domain.lifecycle import JobStatus
from models.domain.paging import Window
from models.reads import listing
from models.reads.listing import JobOrderField, JobQuery, Source
from tests.support.postgres import Databases

# With fewer jobs Postgres keeps every plan.
JOBS = 10_000
# It keeps none before the sixth.
TIMES, PLANNED = 12, 5
USER, WORKER = Viewer(varied.OWNER, "Ann", ("user",)), Viewer("worker", "Worker", ("worker",))
# Those for which both plans cost the same, whatever the statistics say.
LISTS = {
    "all": (access.LOCAL, JobQuery()),
    "a rare word": (access.LOCAL, JobQuery(search=varied.RARE_TITLE)),
    "a rare word of a user": (USER, JobQuery(search=varied.RARE_TITLE)),
    "a rare word of a worker": (WORKER, JobQuery(search=varied.RARE_TITLE, order=JobOrderField.TITLE)),
    "changed lately": (access.LOCAL, JobQuery(updated_since=varied.RECENT, order=JobOrderField.UPDATED_AT)),
    "a rare status of a worker": (WORKER, JobQuery(status=[JobStatus.FAILED])),
    "two statuses of a worker": (WORKER, JobQuery(status=[JobStatus.FAILED, JobStatus.CANCELED])),
    "a worker and an owner": (WORKER, JobQuery(owner_id=varied.OWNER)),
}


def only_jobs(jobs: int) -> dict[str, list[Row]]:
    """Return the rows of varied jobs without their scenes."""
    return {"job": varied.varied(jobs)["job"]}


@pytest.fixture(scope="module")
def url(postgres: Databases) -> Generator[str]:
    """A database in which some filters leave few jobs, and others many."""
    made = postgres.create()
    asyncio.run(data.fill_postgres(made, JOBS, only_jobs))
    asyncio.run(data.bring_to_rest(made))
    yield made
    postgres.drop(made)


@pytest.mark.parametrize("name", LISTS)
async def test_page_of_jobs_is_read_by_a_kept_plan(url: str, name: str) -> None:
    """By the same plan for any values."""
    viewer, query = LISTS[name]
    texts: list[str] = []
    database = Database(url)
    async with database.read() as connection:

        async def noting(statement: Statement, values: Values) -> list[Any]:
            texts.append(statement.text)
            return await fetch(connection, statement, values)

        source = Source("postgresql", noting)
        for _ in range(TIMES):
            await listing.narrow_jobs_page(source, viewer, query, Window(50), ("id", "created_at"))
        kept = sa.text("SELECT sum(generic_plans) FROM pg_prepared_statements WHERE statement = :text")
        assert (await connection.execute(kept, {"text": texts[-1]})).scalar_one() >= TIMES - PLANNED
    await database.close()
