"""The columns of jobs, scenes and takes that change without a new version of their job are those that are declared."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from coordinator.commands import scene_progress
from coordinator.renders import claims
from coordinator.renders.claim import Claim
from coordinator.storage import purge
from models.db import clock
from models.db.tables import JOB, SCENE, TAKE
from models.domain.access import LEASED, LOCAL
from models.domain.lifecycle import SceneStatus
from models.reads.moving import WITHOUT_VERSION
from models.writes import titles
from providers.port import Failure
from tests.support.claiming import claim_ticket
from tests.support.domain import EXTERNAL, Domain, domain
from tests.support.job_rows import Rows, job_rows

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

LEASE = timedelta(minutes=1)


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


async def rows(env: Domain) -> Rows:
    async with env.store.read() as connection:
        return await job_rows(connection)


async def a_claim(env: Domain) -> Claim:
    held = await claim_ticket(env.store, env.tickets[-1], "worker", LEASE)
    assert held is not None
    return held


async def tick(env: Domain, held: Claim, **values: Any) -> None:
    async with env.store.write() as connection:
        await scene_progress.advance(connection, held.scene_id, held.take_number, held.run, **values)


async def test_columns_that_change_without_version_are_declared(env: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write outside of a job's log is made once; each declared column is changed by one of them."""
    before = await rows(env)
    seen = {table: set[str]() for table in WITHOUT_VERSION}

    async def note() -> None:
        nonlocal before
        after = await rows(env)
        for table, columns in after.changed_since(before).items():
            seen[table] |= columns
        before = after

    job_id = await env.a_job(3, start=True)
    await note()
    held = await a_claim(env)
    await note()
    await tick(env, held, percentage=20.0)
    await note()
    await tick(env, held, frame=3)
    await note()
    await claims.heartbeat(env.store, held, 2 * LEASE)
    await note()
    assert await claims.release(env.store, held)
    await note()
    async with env.store.write() as connection:
        await connection.execute(sa.update(SCENE).where(SCENE.c.id == held.scene_id).values(lease_expires_at=None))
    before = await rows(env)
    # Under the ticket of another take.
    (scene,) = [each for each in (await env.job_state(job_id)).live if each.id == held.scene_id]
    taken = await claims.claim(env.store, env.tickets[0], "other", LEASE, scene)
    assert taken is not None
    await note()
    await claims.submitted(env.store, taken, "order")
    await note()
    await claims.failed(env.store, taken, Failure("BUSY", "Try again.", retryable=True), backoff_seconds=0)
    await note()
    await env.jobs.cancel(LOCAL, job_id)
    await note()

    # A report of a worker outside: percentage alone is no event.
    outside = await env.a_job(1, provider=EXTERNAL, start=True)
    (target,) = await env.targets(outside)
    await env.scenes.update(LOCAL, target, {"status": SceneStatus.PROCESSING})
    await note()
    await env.scenes.update(LOCAL, target, {"percentage": 40.0})
    await note()

    # The purge of a scene lowers the positions of later deleted ones; rows of deleted scenes do not count.
    for each in (await env.targets(job_id))[:2]:
        await env.scenes.delete(LOCAL, each)
        await note()
    later = await clock_of(env) + timedelta(days=30)

    async def current(_connection: Any) -> Any:
        return later

    monkeypatch.setattr(clock, "current", current)
    assert await purge.remove_scenes(env.store)
    monkeypatch.undo()
    await note()
    async with env.store.write() as connection:
        await connection.execute(sa.update(JOB).values(title_folded=None))
    before = await rows(env)
    assert await titles.fold_missing(env.store.database)
    await note()

    # A process of an older revision has scheduled a leased take, and the reconciler notes its line.
    leased = await env.a_job(1, start=True)
    async with env.store.write() as connection:
        await connection.execute(sa.update(JOB).where(JOB.c.id == leased).values(provider=LEASED))
    before = await rows(env)
    async with env.store.change(leased, LOCAL) as change:
        change.keep = True
    await note()
    assert seen == {table: set(columns) for table, columns in WITHOUT_VERSION.items()}


async def clock_of(env: Domain) -> Any:
    async with env.store.read() as connection:
        return await clock.current(connection)


async def test_no_progress_is_written_to_a_scene_that_is_not_processing(env: Domain) -> None:
    """Otherwise it would change a job whose counter says that nothing moves."""
    job_id = await env.a_job(1, start=True)
    held = await a_claim(env)
    await env.jobs.cancel(LOCAL, job_id)
    before = await rows(env)
    with pytest.raises(scene_progress.Fenced):
        await tick(env, held, percentage=90.0, frame=2)
    with pytest.raises(claims.Fenced):
        await claims.heartbeat(env.store, held, LEASE)
    assert not await claims.release(env.store, held)
    assert await rows(env) == before


def test_all_tables_of_a_job_are_declared() -> None:
    """A new column is declared by being in one of them."""
    assert set(WITHOUT_VERSION) == {JOB.name, SCENE.name, TAKE.name}
