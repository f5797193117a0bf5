"""Write transactions of Postgres, on the connections of readers: what ends them, and what is left of the connection."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
import pytest
import sqlalchemy as sa

from models.db import engines
from models.db.database import Database
from models.db.drivers import TransactionFailed
from models.db.prepared import Call, Prepared
from models.db.tables import JOB
from models.db.transactions import Transaction
from models.domain.access import LOCAL
from models.domain.errors import NotFound, Unavailable
from tests.support.database_choice import database_choice
from tests.support.domain import Domain, domain
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

RAISE_VERSION = Prepared(sa.update(JOB).where(JOB.c.id == sa.bindparam("job_id")).values(version=JOB.c.version + 1))
WRONG = Prepared(sa.select(sa.literal_column("1 / 0")))
SLOW = Prepared(sa.select(sa.func.pg_sleep(1)))


@pytest.fixture(autouse=True)
def only_postgres() -> None:
    if not database_choice.distributed:
        pytest.skip("about a server")


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


async def driver_of(transaction: Transaction) -> Any:
    return (await (await transaction.begun()).get_raw_connection()).driver_connection


async def version(env: Domain, job_id: str) -> int:
    return (await env.job_state(job_id)).job.version


async def test_refused_statement_ends_the_transaction_and_keeps_the_connection(env: Domain) -> None:
    """The server responds, so its session is as good as before."""
    database, job_id = env.store.database, await env.a_job()
    used: list[Any] = []

    async def change() -> None:
        async with database.transaction() as transaction:
            used.append(await driver_of(transaction))
            await transaction.run([Call(RAISE_VERSION, [{"job_id": job_id}])])
            await transaction.run([Call(WRONG)])

    with pytest.raises(asyncpg.DivisionByZeroError):
        await change()
    async with database.transaction() as transaction:
        used.append(await driver_of(transaction))
    assert used[0] is used[1]
    assert await version(env, job_id) == 1
    assert database.readers.in_use == 0


async def test_block_that_does_not_commit_is_rolled_back(env: Domain) -> None:
    """Whether it ends by itself or by an error of other code; the connection is used again."""
    database, job_id = env.store.database, await env.a_job()
    used: set[Any] = set()
    for error in (None, NotFound("There is no such thing.", [], None), ValueError("of other code")):
        with suppress(NotFound, ValueError):
            async with database.transaction() as transaction:
                used.add(await driver_of(transaction))
                await transaction.run([Call(RAISE_VERSION, [{"job_id": job_id}])])
                if error is not None:
                    raise error
    assert len(used) == 1
    assert await version(env, job_id) == 1


async def test_commit_of_a_failed_transaction_is_an_error(env: Domain) -> None:
    """Postgres rolls it back and reports no error."""
    database, job_id = env.store.database, await env.a_job()
    async with database.transaction() as transaction:
        await transaction.run([Call(RAISE_VERSION, [{"job_id": job_id}])])
        with pytest.raises(asyncpg.DivisionByZeroError):
            await transaction.run([Call(WRONG)])
        with pytest.raises(TransactionFailed):
            await transaction.commit()
    assert await version(env, job_id) == 1


async def test_cancelled_change_releases_its_job(env: Domain) -> None:
    """Its connection is closed at once; Postgres ends the locks when the statement ends."""
    database, job_id = env.store.database, await env.a_job()
    used: list[Any] = []

    async def change() -> None:
        async with env.store.change(job_id, LOCAL) as change:
            used.append((await (await change.connection()).get_raw_connection()).driver_connection)
            await change.read(Call(SLOW))

    task = asyncio.create_task(change())
    await eventually(lambda: bool(used))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert used[0].is_closed()
    assert database.readers.in_use == 0
    async with asyncio.timeout(TIMEOUT_SECONDS / 2):
        await env.jobs.update(LOCAL, job_id, {"title": "After it"})
    assert await version(env, job_id) == 2


@pytest.mark.parametrize("at_commit", [False, True])
async def test_server_that_does_not_respond_makes_the_change_unavailable(env: Domain, *, at_commit: bool) -> None:
    """After the timeout of a statement; the connection is closed without the server, and the next change succeeds."""
    job_id = await env.a_job()
    closings: list[object] = []
    used: list[Any] = []

    async def close(connection: Any, **_: object) -> None:
        if not connection.is_closed():
            closings.append(connection)

    async def change() -> None:
        async with database.transaction() as transaction:
            await transaction.run([Call(RAISE_VERSION, [{"job_id": job_id}])])
            used.append(await driver_of(transaction))
            used[0]._transport.pause_reading()
            await (transaction.commit() if at_commit else transaction.run([Call(WRONG)]))

    with patch.object(engines, "COMMAND_SECONDS", 3.0):
        database = Database(env.store.database.url.render_as_string(hide_password=False))
    try:
        with patch.object(asyncpg.Connection, "close", close), pytest.raises(Unavailable):
            await change()
        assert used[0].is_closed()
        assert used[0] not in closings
        assert database.readers.in_use == 0
        async with database.transaction() as transaction:
            await transaction.run([Call(RAISE_VERSION, [{"job_id": job_id}])])
            await transaction.commit()
    finally:
        await database.close()
    # The commit arrived, although its answer did not.
    assert await version(env, job_id) == (3 if at_commit else 2)


@pytest.mark.parametrize("written_before", [False, True])
async def test_connection_lost_before_the_commit_makes_the_change_unavailable(
    env: Domain, *, written_before: bool
) -> None:
    """Nothing of it may be acknowledged, whether or not the driver has noticed the loss."""
    database, job_id = env.store.database, await env.a_job()

    async def change() -> None:
        async with database.transaction() as transaction:
            await transaction.run([Call(RAISE_VERSION, [{"job_id": job_id}])])
            (await driver_of(transaction)).terminate()
            await transaction.commit([] if written_before else [Call(RAISE_VERSION, [{"job_id": job_id}])])

    with pytest.raises(Unavailable):
        await change()
    assert await version(env, job_id) == 1
    assert database.readers.in_use == 0
