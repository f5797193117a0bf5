"""The migration of a large Postgres database while processes of the former revision work."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from bench import asyncpg_driver, data, varied
from bench.data import Row
from models.db.database import Database
from models.domain import access
from models.migrations import online
from models.reads import listing
from models.reads.listing import JobQuery
from server.database.database_setup import migrate
from tests.support.postgres import Databases
from tests.support.waiting import eventually

JOBS = 40
BEFORE = "0006"
RENAME = "UPDATE job SET title = $2, title_folded = $2, status = 'CANCELED' WHERE id = $1"


def former_rows(jobs: int) -> dict[str, list[Row]]:
    """Return varied jobs with the columns that there were before."""
    tables = varied.varied(jobs)
    for scene in tables["scene"]:
        del scene["reported_at"]
    return tables


@pytest.fixture
async def url(postgres: Databases) -> AsyncGenerator[str]:
    """The URL of a database of the former revision with some jobs."""
    with postgres.blank() as address:
        database = Database(address)
        await migrate(database, BEFORE)
        await data.fill_postgres(address, JOBS, former_rows)
        yield address
        await database.close()


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Any]:
    """A connection of a process of the former revision."""
    connection = await asyncpg_driver.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def invalid_indexes(connection: Any) -> list[str]:
    """Return the names of indexes that are not made completely."""
    statement = "SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE NOT indisvalid"
    return [row["relname"] for row in await connection.fetch(statement)]


async def assert_lists_are_true(database: Database) -> None:
    """Compare the kept counts and the search with the jobs."""
    async with database.read() as connection:
        count = await connection.execute(sa.text("SELECT count(*) FROM job WHERE deleted_at IS NULL"))
        assert await listing.jobs_count(connection, access.LOCAL, JobQuery()) == count.scalar()
        for search in ("renamed", varied.RARE_TITLE):
            statement = sa.text("SELECT count(*) FROM job WHERE deleted_at IS NULL AND title_folded LIKE :text")
            found = (await connection.execute(statement, {"text": f"%{search}%"})).scalar()
            assert found
            assert await listing.jobs_count(connection, access.LOCAL, JobQuery(search=search)) == found


async def test_jobs_change_while_indexes_are_made(url: str) -> None:
    """A change does not wait for the migration, which waits for an older transaction; its counts have the change."""
    database = Database(url)
    await migrate(database, online.PREPARED)
    async with connected(url) as older, connected(url) as other:
        transaction = older.transaction()
        await transaction.start()
        await older.execute(RENAME, data.job_id(1), "renamed 1")
        migration = asyncio.create_task(migrate(database))
        waits = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active'"
        )

        async def index_is_being_made() -> bool:
            return bool(await other.fetchval(waits))

        await eventually(index_is_being_made)
        await other.execute("SET lock_timeout = '1s'")
        await other.execute(RENAME, data.job_id(2), "renamed 2")
        assert not migration.done()
        await transaction.commit()
        await migration
        assert await invalid_indexes(other) == []
    await assert_lists_are_true(database)
    await database.close()


async def test_interrupted_migration_goes_on(url: str) -> None:
    """An index that was left incomplete is created again, and what is there is kept."""
    database = Database(url)
    await migrate(database, online.PREPARED)
    await online.build(database)
    async with connected(url) as other:
        await other.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_job_by_title'::regclass")
        assert await invalid_indexes(other) == ["ix_job_by_title"]
        await other.execute(RENAME, data.job_id(4), "renamed 4")
        await migrate(database)
        assert await invalid_indexes(other) == []
    await assert_lists_are_true(database)
    await database.close()


async def test_title_of_a_deleted_job_is_not_kept(url: str) -> None:
    """Also when the job is deleted by a transaction that is open while the titles are read."""
    database = Database(url)
    await migrate(database, online.PREPARED)
    await online.build(database)
    async with connected(url) as older, connected(url) as other:
        await other.execute("DELETE FROM jobtitle")
        transaction = older.transaction()
        await transaction.start()
        await older.execute("DELETE FROM job WHERE id = $1", data.job_id(1))
        migration = asyncio.create_task(migrate(database))

        async def migration_waits() -> bool:
            return migration.done() or bool(await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        await eventually(migration_waits)
        await transaction.commit()
        await migration
        titles = "SELECT count(*) FROM jobtitle WHERE job_id NOT IN (SELECT id FROM job)"
        assert await other.fetchval(titles) == 0
        assert await other.fetchval("SELECT count(*) FROM jobtitle") == JOBS - 1
    await database.close()


async def test_migration_gives_way_to_writers(url: str) -> None:
    """A step that needs the lock of a table does not make later writers wait for a transaction in front of it."""
    database = Database(url)
    async with connected(url) as older, connected(url) as other:
        transaction = older.transaction()
        await transaction.start()
        await older.execute(RENAME, data.job_id(1), "renamed 1")
        migration = asyncio.create_task(migrate(database))
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'job'::regclass"

        async def migration_waits() -> bool:
            return bool(await other.fetchval(waits))

        await eventually(migration_waits)
        # As long as a writer of the server waits at most.
        await other.execute("SET lock_timeout = '1s'")
        await other.execute(RENAME, data.job_id(2), "renamed 2")
        assert not migration.done()
        await transaction.commit()
        await migration
    await assert_lists_are_true(database)
    await database.close()
