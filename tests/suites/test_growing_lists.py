"""Lists of jobs in large databases: found by the index of a filter or read in order, they are the same, and counted."""

import asyncio
import random
from collections.abc import AsyncGenerator, Hashable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench import data, varied
from models.db import rows
from models.db.database import Connection, Database
from models.db.readers import fetch
from models.db.recent import Recent
from models.db.rows import JOB_COLUMNS, JobRow
from models.domain import access
from models.domain.access import Viewer
from models.domain.folding import folded_title
from models.domain.lifecycle import JobStatus
from models.domain.paging import Window
from models.reads import list_plans, listing
from models.reads.list_plans import Source
from models.reads.listing import JobOrderField, JobQuery
from models.writes import job_counts
from server.database.database_setup import migrate
from tests.support.database_choice import database_choice

pytestmark = pytest.mark.both_databases

JOBS = 60
QUERIES = 60
CHANGES = 80
VIEWERS = [
    access.LOCAL,
    Viewer(varied.OWNER, "Ann", ("user",)),
    Viewer("local", "A worker with external jobs of its own", ("worker",)),
    Viewer("owner-8", "Worker", ("worker",)),
    Viewer("nobody", "Nobody", ("user",)),
]
SEARCHES = ["storm", "COAST", "st", "a", "part 1", "*", "[t]", "ΟΔΟΣ", "day at the coast, part", "100%", "nothing"]
TITLES = ["The οδός", "100% [t] * storm", "Coast", "ß", "a storm at the coast"]


@pytest.fixture
async def filled(database: None, tmp_path: Path) -> AsyncGenerator[Database]:
    """A migrated database of varied jobs."""
    url = database_choice.url(tmp_path)
    opened = Database(url)
    if database_choice.distributed:
        await data.fill_postgres(url, JOBS, varied.varied)
    else:
        await migrate(opened)
        await asyncio.to_thread(data.fill_sqlite, tmp_path / "test.db", JOBS, varied.varied)
    yield opened
    await opened.close()
    database_choice.drop(tmp_path)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers whose seed is printed."""
    seed = random.randrange(2**32)  # no secret
    print(f"seed {seed}")  # noqa: T201 # pytest shows it for a failed test
    return random.Random(seed)  # no secret


def some_query(rng: random.Random) -> JobQuery:
    """Return a random filter and order."""
    return JobQuery(
        status=rng.choice([None, None, rng.sample(list(JobStatus), 1), rng.sample(list(JobStatus), 2)]),
        search=rng.choice([None, None, rng.choice(SEARCHES)]),
        updated_since=rng.choice([None, None, varied.RECENT, varied.EPOCH + timedelta(days=1, seconds=JOBS // 2)]),
        owner_id=rng.choice([None, None, "local", varied.OWNER, "owner-0"]),
        include_deleted=rng.random() < 0.3,
        order=rng.choice(list(JobOrderField)),
        descending=rng.random() < 0.5,
    )


def expected(jobs: list[JobRow], viewer: Viewer, query: JobQuery) -> list[str]:
    """Return the ids of the list, computed from all jobs."""

    def belongs(job: JobRow) -> bool:
        return (
            access.may_see(viewer, job)
            and (query.include_deleted or job.deleted_at is None)
            and (query.status is None or job.status in query.status)
            and (query.owner_id is None or job.owner_id == query.owner_id)
            and (query.updated_since is None or job.updated_at >= query.updated_since)
            and (query.search is None or folded_title(query.search) in folded_title(job.title))
        )

    def key(job: JobRow) -> tuple[object, str]:
        return getattr(job, query.order.value.lower()), job.id

    return [job.id for job in sorted(filter(belongs, jobs), key=key, reverse=query.descending)]


async def all_jobs(connection: Connection) -> list[JobRow]:
    """Return every job."""
    return rows.all_rows(JobRow, await connection.execute(sa.select(*JOB_COLUMNS)))


async def pages(connection: Connection, viewer: Viewer, query: JobQuery, size: int) -> list[str]:
    """Return the ids of all pages, followed by their cursors."""
    found: list[str] = []
    window = Window(size)
    while True:
        page = await listing.jobs_page(connection, viewer, query, window)
        found.extend(job.id for job in page.items)
        assert page.has_previous is (window.after is not None)
        if not page.has_next:
            return found
        window = Window(size, after=query.key(page.items[-1]))


@pytest.mark.parametrize("few", [0, 5, 200])
async def test_list_is_the_same_by_whatever_index(
    filled: Database, few: int, rng: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pages and the number of jobs, of random lists of each viewer, with any bound of what are few."""
    monkeypatch.setattr(list_plans, "FEW", few)
    async with filled.read() as connection:
        jobs = await all_jobs(connection)
        for _ in range(QUERIES):
            viewer, query = rng.choice(VIEWERS), some_query(rng)
            listed = expected(jobs, viewer, query)
            assert await pages(connection, viewer, query, rng.choice([3, 20, 100])) == listed, (viewer, query)
            assert await listing.jobs_count(connection, viewer, query) == len(listed), (viewer, query)


class Outdated(Recent):
    """Remembers numbers that are not true any more."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng

    def get(self, key: Hashable) -> int | None:
        return self._rng.choice([super().get(key), 0, 1_000_000])


async def test_list_is_the_same_by_outdated_counts(filled: Database, rng: random.Random) -> None:
    """They choose an index, and nothing else."""
    counts = Outdated(rng)
    async with filled.read() as connection:
        jobs = await all_jobs(connection)
        source = Source(connection.dialect.name, partial(fetch, connection), counts)
        for _ in range(QUERIES):
            viewer, query = rng.choice(VIEWERS), some_query(rng)
            size = rng.choice([10, 20, 21, 100])
            columns = ("id", query.order.value.lower())
            page = await listing.narrow_jobs_page(source, viewer, query, Window(size), columns)
            listed = expected(jobs, viewer, query)
            assert [row[0] for row in page.items] == listed[:size], (viewer, query)
            assert page.has_next is (len(listed) > size)


async def test_counts_and_search_follow_every_change(filled: Database, rng: random.Random) -> None:
    """After random changes of status, owner, provider, title and deletion, committed or rolled back."""
    for _ in range(CHANGES):
        job = data.job_id(rng.randrange(JOBS))
        title = rng.choice(TITLES)
        statement, values = rng.choice(
            [
                ("UPDATE job SET status = :value WHERE id = :id", rng.choice(list(JobStatus)).value),
                ("UPDATE job SET owner_id = :value WHERE id = :id", rng.choice(["local", varied.OWNER])),
                ("UPDATE job SET provider = :value WHERE id = :id", rng.choice(["external", "scripted"])),
                ("UPDATE job SET deleted_at = created_at WHERE id = :id AND :value = ''", ""),
                ("UPDATE job SET deleted_at = NULL WHERE id = :id AND :value = ''", ""),
                ("UPDATE job SET title = :value, title_folded = :folded WHERE id = :id", title),
                ("DELETE FROM job WHERE id = :id AND :value = ''", ""),
            ]
        )
        parameters = {"id": job, "value": values} | ({"folded": folded_title(title)} if ":folded" in statement else {})
        async with filled.maintenance.connect() as connection:
            await connection.execute(sa.text(statement), parameters)
            await (connection.rollback() if rng.random() < 0.2 else connection.commit())
    await job_counts.merge(filled)
    async with filled.read() as connection:
        jobs = await all_jobs(connection)
        for viewer in VIEWERS:
            for query in [some_query(rng) for _ in range(QUERIES // 4)] + [JobQuery(search=each) for each in SEARCHES]:
                listed = expected(jobs, viewer, query)
                assert await pages(connection, viewer, query, 100) == listed, (viewer, query)
                assert await listing.jobs_count(connection, viewer, replace(query)) == len(listed), (viewer, query)


@pytest.mark.sqlite_alone
async def test_search_works_without_fts5(filled: Database) -> None:
    """Where SQLite has no FTS5, the migration makes a view in place of the index; the answers are the same."""
    async with filled.maintenance.begin() as connection:
        for trigger in ("jobsearch_of_new_title", "jobsearch_of_deleted_title"):
            await connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        await connection.exec_driver_sql("DROP TABLE jobsearch")
        await connection.exec_driver_sql("CREATE VIEW jobsearch AS SELECT number AS rowid, folded FROM jobtitle")
    async with filled.read() as connection:
        jobs = await all_jobs(connection)
        for search in SEARCHES:
            query = JobQuery(search=search)
            assert await pages(connection, access.LOCAL, query, 100) == expected(jobs, access.LOCAL, query), search
