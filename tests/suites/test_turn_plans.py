"""The statement that finds the next take: its cost does not depend on how many takes wait."""

from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import asyncpg

from models.db.tables import JOB, SCENE, TAKE
from models.db.turn_tables import JOB_TURN, OWNER_TURN
from models.reads import turns
from tests.support.domain import OURS, Domain, domain
from tests.support.many_waiting import add_waiting

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

Node = dict[str, Any]


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    """A domain in which two owners have thousands of waiting takes, in many jobs and in few."""
    async with domain(tmp_path) as env:
        await without_statistics(env)
        await env.a_job(1, start=True)
        await add_waiting(env, "many jobs", 3_000, 1)
        await add_waiting(env, "few jobs", 15, 200)
        yield env


async def without_statistics(env: Domain) -> None:
    """Forget what Postgres knows of its tables, and keep it from looking again at a moment of its own choice.

    A database is made from another one, in which it has looked at the tables while they were empty, or has not.
    """
    if env.store.database.embedded:
        return
    async with env.store.write() as connection:
        for table in (JOB, SCENE, TAKE, OWNER_TURN, JOB_TURN):
            await connection.exec_driver_sql(f"ALTER TABLE {table.name} SET (autovacuum_enabled = false)")
            for forget in (
                "SELECT pg_clear_relation_stats(current_schema(), :name)",
                "DELETE FROM pg_statistic WHERE starelid = CAST(CAST(:name AS text) AS regclass)",
            ):
                await connection.execute(sa.text(forget), {"name": table.name})


async def first(env: Domain, owner_id: str) -> None:
    """Make it the turn of an owner."""
    async with env.store.write() as connection:
        update = sa.text("UPDATE ownerturn SET turn = CASE owner_id WHEN :owner_id THEN 1 ELSE 2 END")
        await connection.execute(update, {"owner_id": owner_id})


async def owner_of_next(env: Domain) -> str:
    async with env.store.read() as connection:
        scene_id = await turns.next_scene(connection, OURS, datetime.now(UTC))
    ((owner_id,),) = env.external.rows(
        "SELECT owner_id FROM job JOIN scene ON scene.job_id = job.id WHERE scene.id = :id", id=scene_id
    )
    return owner_id


def nodes(plan: Node) -> Iterator[Node]:
    """Yield the nodes of a plan of Postgres."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


@pytest.mark.parametrize("analyzed", [False, True])
async def test_next_take_is_found_by_indexes(env: Domain, analyzed: bool) -> None:
    """Of 6,000 that wait it reads those of one job; with statistics and without, planned for its parameters or any."""
    for owner_id in ("many jobs", "few jobs"):
        await first(env, owner_id)
        if analyzed:
            async with env.store.write() as connection:
                await connection.exec_driver_sql("ANALYZE")
        assert await owner_of_next(env) == owner_id
        if env.store.database.embedded:
            await check_steps(env)
            continue
        for cached in ("custom", "generic"):
            read = await rows_read(env, cached)
            assert sum(read) <= 3 * 200 + 20, (owner_id, cached, read)


async def check_steps(env: Domain) -> None:
    """Fail unless SQLite searches by indexes, and sorts one job's scenes."""
    text = str(turns.next_scene_statement().compile(dialect=sqlite.dialect()))
    async with env.store.read() as connection:
        steps = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("",) * text.count("?"))).scalars(3)
        found = [step for step in steps if "SUBQUERY" not in step]
    assert [step for step in found if not step.startswith("SEARCH")] == ["USE TEMP B-TREE FOR ORDER BY"]
    assert all("ix_scene_job_position (job_id=?)" in step for step in found if "scene" in step.split()[1])


async def rows_read(env: Domain, cached: str) -> list[float]:
    """Return how many rows Postgres reads of each table, by a plan for these parameters (custom) or any (generic)."""
    compiled = turns.next_scene_statement().compile(dialect=asyncpg.dialect())
    values = {**compiled.params, "provider": OURS, "due": datetime.now(UTC).isoformat()}
    arguments = ", ".join(f"'{values[name]}'" for name in compiled.positiontup or ())
    async with env.store.read() as connection:
        await connection.exec_driver_sql(f"SET LOCAL plan_cache_mode = force_{cached}_plan")
        await connection.exec_driver_sql(f"PREPARE next_take AS {compiled}")
        query = sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE next_take({arguments})").columns(plan=sa.JSON)
        explained: list[Node] = (await connection.execute(query)).scalar_one()
        await connection.exec_driver_sql("DEALLOCATE next_take")
    plan: Node = explained[0]["Plan"]
    return [node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan) if "Relation Name" in node]
