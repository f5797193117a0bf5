"""The snapshot of an operation: one moment for each answer, and no connection kept after it."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Never

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from models.db.database import Connection, Database
from models.db.engines import READERS
from models.db.snapshot import Snapshot
from models.domain.access import LOCAL
from models.domain.errors import Invalid, Unavailable
from models.reads import queries
from schema.loaders import Loaders
from tests.support.domain import Domain, domain
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.both_databases]

READS_AT_ONCE = 4 * READERS


@pytest.fixture
async def env(tmp_path: Path) -> AsyncGenerator[Domain]:
    async with domain(tmp_path) as env:
        yield env


def in_use(database: Database) -> int:
    """Return the number of readers that are in use."""
    return database.readers.in_use


async def version(snapshot: Snapshot, job_id: str) -> int:
    """Read the version of a job."""
    async with snapshot.read() as connection:
        return await _version(connection, job_id)


async def _version(connection: Connection, job_id: str) -> int:
    return (await connection.execute(sa.text("SELECT version FROM job WHERE id = :id"), {"id": job_id})).scalar_one()


async def test_reads_of_one_answer_show_the_moment_of_the_first(env: Domain) -> None:
    """The next answer, and an answer whose snapshot was renewed, show what was committed meanwhile."""
    job_id = await env.a_job()
    snapshot = Snapshot(env.store.database)
    async with snapshot.answering():
        before = await version(snapshot, job_id)
        await env.jobs.update(LOCAL, job_id, {"title": "Meanwhile"})
        assert await version(snapshot, job_id) == before
        await snapshot.renew()
        assert await version(snapshot, job_id) == before + 1
        await env.jobs.update(LOCAL, job_id, {"title": "Again"})
    async with snapshot.answering():
        assert await version(snapshot, job_id) == before + 2
    assert in_use(env.store.database) == 0


async def test_concurrent_reads_of_an_answer_share_a_connection(env: Domain) -> None:
    """The first read takes the connection; it is given back when the answer is made, before it is sent."""
    job_id = await env.a_job()
    database = env.store.database
    snapshot = Snapshot(database)
    async with snapshot.answering():
        assert in_use(database) == 0
        await asyncio.gather(*(version(snapshot, job_id) for _ in range(5)))
        assert in_use(database) == 1
        await snapshot.close()
        assert in_use(database) == 0
        # A read that comes late, such as of a field beside one that failed, leaves nothing open.
        await version(snapshot, job_id)
        assert in_use(database) == 0


async def test_failed_statement_ends_the_snapshot_and_fails_the_other_reads(env: Domain) -> None:
    """A second snapshot would show another moment; the next answer reads again."""
    job_id = await env.a_job()
    snapshot = Snapshot(env.store.database)
    async with snapshot.answering():
        before = await version(snapshot, job_id)
        with pytest.raises(DBAPIError) as failure:
            async with snapshot.read() as connection:
                await connection.execute(sa.text("SELECT nothing FROM nowhere"))
        assert in_use(env.store.database) == 0
        with pytest.raises(DBAPIError) as repeated:
            await version(snapshot, job_id)
        assert repeated.value is failure.value
    async with snapshot.answering():
        assert await version(snapshot, job_id) == before


async def test_refusal_between_two_reads_leaves_the_snapshot_open(env: Domain) -> None:
    """A field with an invalid argument does not fail the fields beside it."""
    job_id = await env.a_job()
    snapshot = Snapshot(env.store.database)
    async with snapshot.answering():
        before = await version(snapshot, job_id)
        with pytest.raises(Invalid):
            async with snapshot.read():
                raise Invalid("after is not a cursor.", ["after"])
        await env.jobs.update(LOCAL, job_id, {"title": "Meanwhile"})
        assert await version(snapshot, job_id) == before


async def test_cancelled_operation_gives_its_connection_back(env: Domain) -> None:
    """Cancelled during a read of an answer, and between two reads."""
    job_id = await env.a_job()
    database = env.store.database
    reading = asyncio.Event()

    async def operation(*, inside: bool) -> None:
        snapshot = Snapshot(database)
        async with snapshot.answering():
            await version(snapshot, job_id)
            if inside:
                async with snapshot.read():
                    reading.set()
                    await asyncio.Event().wait()
            reading.set()
            await asyncio.Event().wait()

    for inside in (True, False):
        reading.clear()
        task = asyncio.create_task(operation(inside=inside))
        await reading.wait()
        assert in_use(database) == 1
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await eventually(lambda: in_use(database) == 0)


async def test_more_answers_than_connections_are_made_beside_changes(env: Domain) -> None:
    """No operation waits for a second connection while it holds one, so all end. Each changes the job in between."""
    job_id = await env.a_job()

    async def operation(number: int) -> None:
        snapshot = Snapshot(env.store.database)
        async with snapshot.answering():
            before = await version(snapshot, job_id)
            await snapshot.renew()
            await env.jobs.update(LOCAL, job_id, {"title": f"Title {number}"})
            assert await version(snapshot, job_id) > before

    async with asyncio.timeout(TIMEOUT_SECONDS):
        await asyncio.gather(*(operation(number) for number in range(READS_AT_ONCE)))
    assert in_use(env.store.database) == 0


async def test_long_lists_and_messages_leave_connections_to_others(env: Domain) -> None:
    """Slow lists and messages do not occupy all connections: another answer is made meanwhile."""
    job_id = await env.a_job()
    database = env.store.database
    finish = asyncio.Event()

    async def slow(turns: asyncio.Semaphore) -> None:
        snapshot = Snapshot(database)
        async with snapshot.answering(turns):
            await version(snapshot, job_id)
            await finish.wait()

    turns = (database.list_turns, database.message_turns)
    tasks = [asyncio.create_task(slow(each)) for each in turns for _ in range(READERS)]
    await eventually(lambda: all(each.locked() for each in turns) and in_use(database) == READERS - 2)
    await env.jobs.update(LOCAL, job_id, {"title": "Meanwhile"})
    quick = Snapshot(database)
    async with asyncio.timeout(TIMEOUT_SECONDS), quick.answering():
        assert await version(quick, job_id) == 2
    finish.set()
    await asyncio.gather(*tasks)
    assert in_use(database) == 0


async def test_cancelled_field_does_not_cancel_others_that_wait_for_the_same_row(env: Domain) -> None:
    """graphql-core cancels the fields beside one that has failed, not those of the rest of the answer."""
    job_id = await env.a_job()
    snapshot = Snapshot(env.store.database)
    loaders = Loaders(snapshot, LOCAL)

    async def field() -> str | None:
        job = await loaders.job.load(job_id)
        return None if job is None else job.id

    async with snapshot.answering():
        cancelled, other = asyncio.create_task(field()), asyncio.create_task(field())
        await asyncio.sleep(0)
        cancelled.cancel()
        assert await other == job_id
        assert await field() == job_id
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_error_of_a_read_whose_fields_were_all_cancelled_is_not_logged(
    env: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncio would log it as an error that was never retrieved."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    reading, failing = asyncio.Event(), asyncio.Event()

    async def fail(*_: object) -> Never:
        reading.set()
        await failing.wait()
        raise Unavailable("UNAVAILABLE", "The database does not answer.")

    monkeypatch.setattr(queries, "jobs_by_id", fail)
    snapshot = Snapshot(env.store.database)

    async def field() -> None:
        await Loaders(snapshot, LOCAL).job.load("job")

    async with snapshot.answering():
        cancelled = asyncio.create_task(field())
        await reading.wait()
        cancelled.cancel()
        await asyncio.wait([cancelled])
        failing.set()
        await eventually(lambda: env.store.database.readers.in_use <= 1)
        await asyncio.sleep(0.05)
    del cancelled
    gc.collect()
    assert unhandled == []
