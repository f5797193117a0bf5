"""The moments of a database: equal only while nothing is committed, by whatever connection."""

import asyncio
import random
from collections.abc import AsyncGenerator, Hashable
from pathlib import Path

import pytest
import sqlalchemy as sa

from models.db.database import Database
from models.db.moments import FileMoments
from models.db.tables import JOB
from tests.support import jobs
from tests.support.database_choice import database_choice
from tests.support.domain import Domain, domain
from tests.support.property_settings import scaled
from tests.support.waiting import eventually

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

STEPS = 60


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


async def write(database: Database, job_id: str, title: str, *, commits: bool = True) -> None:
    """Change a title on a connection of its own, and commit, or roll back."""
    async with database.connect(database.maintenance) as connection:
        await connection.execute(sa.update(JOB).where(JOB.c.id == job_id).values(title=title))
        await (connection.commit() if commits else connection.rollback())


async def title_of(database: Database, job_id: str) -> str:
    async with database.read() as connection:
        return (await connection.execute(sa.select(JOB.c.title).where(JOB.c.id == job_id))).scalar_one()


async def test_moments_are_equal_while_nothing_is_written(env: Domain) -> None:
    """Other transactions of the same Postgres may come between two of them, but not between all."""

    async def two_are_equal() -> bool:
        return await env.store.database.moments.now() == await env.store.database.moments.now()

    await eventually(two_are_equal)


async def test_each_commit_makes_another_moment(env: Domain, tmp_path: Path) -> None:
    """Of a change of this process, and of a connection that belongs to another one."""
    job_id = await env.a_job()
    moments = env.store.database.moments
    seen: list[Hashable] = [await moments.now()]
    await env.a_job()
    seen.append(await moments.now())
    other = Database(database_choice.url(tmp_path))
    try:
        await write(other, job_id, "Other")
        seen.append(await moments.now())
    finally:
        await other.close()
    assert None not in seen
    assert len(set(seen)) == len(seen)


async def test_what_is_read_between_equal_moments_is_what_is_read_later(env: Domain, tmp_path: Path) -> None:
    """While another database object writes, and rolls back, at random."""
    chance = jobs.seeded("moments")
    job_id = await env.a_job()
    mine, other = env.store.database, Database(database_choice.url(tmp_path))
    read: dict[Hashable, str] = {}
    ended = asyncio.Event()

    async def writing(steps: random.Random) -> None:
        for number in range(scaled(STEPS)):
            await write(other, job_id, f"Title {number}", commits=steps.random() < 0.6)
            await asyncio.sleep(steps.random() * 0.004)
        ended.set()

    async def reading() -> None:
        while not ended.is_set():
            moment = await mine.moments.now()
            title = await title_of(mine, job_id)
            if moment is not None and await mine.moments.now() == moment:
                assert read.setdefault(moment, title) == title
            await asyncio.sleep(0)

    try:
        await asyncio.gather(writing(chance), reading())
    finally:
        await other.close()
    assert len(read) > 1


@pytest.mark.sqlite_alone
async def test_moments_of_two_connections_differ(env: Domain) -> None:
    """Their versions begin again, so a kept answer could be that of another state."""
    moments = env.store.database.moments
    before = await moments.now()
    moments.close()
    assert await moments.now() != before


@pytest.mark.sqlite_alone
async def test_moment_of_a_file_that_cannot_be_opened_is_unknown(tmp_path: Path) -> None:
    """Nothing is kept then."""
    assert await FileMoments([str(tmp_path / "missing" / "file.db")], {}).now() is None
