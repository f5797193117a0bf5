"""The Postgres queue: transactional enqueue, reconnects, and several workers."""

import asyncio
import gc
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from coordinator.queue import runner
from coordinator.queue.port import Concurrency, Queue
from models.domain.access import EXTERNAL
from models.domain.errors import Unavailable
from models.writes.change import Ticket
from tests.support.postgres import Databases
from tests.support.postgres_processes import Process, process
from tests.support.recording_handler import RecordingHandler, running
from tests.support.waiting import eventually

ALONE = Concurrency(1, {"local": 0})


@pytest.fixture
def url(postgres: Databases) -> Generator[str]:
    with postgres.fresh() as url:
        yield url


def ticket(name: str, provider: str = "local") -> Ticket:
    """A ticket of the scene with this id."""
    return Ticket(provider, "job_1", name, 1)


async def rows(one: Process, statement: str) -> Sequence[Any]:
    """The rows that another connection reads."""
    async with one.database.connect(one.database.writer) as connection, connection.begin():
        return (await connection.exec_driver_sql(statement)).all()


async def disconnect(one: Process, purpose: str) -> int:
    """Terminate the connections with this purpose; returns how many there were."""
    terminate = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%{purpose}'"  # noqa: S608
    return len(await rows(one, terminate))


class TestTransactions:
    """A ticket is committed or rolled back with the change that enqueues it."""

    async def test_ticket_is_visible_after_the_commit_only(self, url: str) -> None:
        """Another connection does not see it before."""
        async with process(url) as one:
            queue = one.queue(ALONE)
            async with one.database.connect(one.database.writer) as connection, connection.begin() as transaction:
                await connection.exec_driver_sql("SELECT 1")
                await queue.enqueue([ticket("a")], connection)
                assert await rows(one, "SELECT dedupe_key FROM pgqueuer") == []
                await transaction.commit()
            assert await rows(one, "SELECT dedupe_key FROM pgqueuer") == [("a:1",)]

    async def test_rollback_removes_the_ticket(self, url: str) -> None:
        """No row is left."""
        async with process(url) as one:
            queue = one.queue(ALONE)
            async with one.database.connect(one.database.writer) as connection, connection.begin() as transaction:
                await connection.exec_driver_sql("SELECT 1")
                await queue.enqueue([ticket("a")], connection)
                await transaction.rollback()
            assert await rows(one, "SELECT dedupe_key FROM pgqueuer") == []

    async def test_enqueue_outside_of_the_transaction_is_refused(self, url: str) -> None:
        """SQLAlchemy begins a transaction with its first statement: enqueueing before that would commit at once."""
        async with process(url) as one:
            queue = one.queue(ALONE)
            async with one.database.connect(one.database.writer) as connection, connection.begin():
                with pytest.raises(RuntimeError, match="escape"):
                    await queue.enqueue([ticket("a")], connection)
            assert await rows(one, "SELECT dedupe_key FROM pgqueuer") == []

    async def test_enqueue_on_a_lost_connection_says_that_the_database_is_unavailable(self, url: str) -> None:
        """It was lost after the first statement; nothing is enqueued, and the next transaction has another one."""
        async with process(url) as one:
            queue = one.queue(ALONE)

            async def enqueue_on_lost() -> None:
                async with one.database.transaction() as transaction:
                    connection = await transaction.begun()
                    driver: Any = (await connection.get_raw_connection()).driver_connection
                    driver.terminate()
                    await queue.enqueue([ticket("a")], connection)

            with pytest.raises(Unavailable):
                await enqueue_on_lost()
            await queue.enqueue([ticket("b")])
            assert await rows(one, "SELECT dedupe_key FROM pgqueuer") == [("b:1",)]


@pytest.fixture
def no_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch polling off: only a notification, or the end of an outage, can make a worker look for tickets."""
    monkeypatch.setattr(runner, "POLL_SECONDS", 3_600.0)


async def every_lane_runs(queue: Queue, handler: RecordingHandler) -> None:
    """Wait until the lanes of renders and of adoptions have handled a ticket: a queue that still starts ends, for its
    caller to start it again, when its connections are lost."""
    await queue.enqueue([ticket("render"), ticket("adoption", provider=EXTERNAL)])
    await handler.until(lambda: sorted(handler.names) == ["adoption", "render"])


class TestLostConnections:
    """A worker that lost its connections continues after reconnecting."""

    @pytest.mark.usefixtures("no_polling")
    @pytest.mark.parametrize("purpose", ["listener", "queue", ""])
    async def test_next_ticket_is_handled_after_lost_connections(self, url: str, purpose: str) -> None:
        """Whether the listener, the pool of the queue or all connections were lost."""
        handler = RecordingHandler()
        async with process(url) as one, process(url) as other:
            queue = one.queue(ALONE)
            async with running(queue, handler):
                await every_lane_runs(queue, handler)
                with suppress(Exception):
                    # "" terminates the connection of this very statement, too.
                    await disconnect(other, purpose)
                await eventually(lambda: accepted(other, ticket("after")))
                await handler.until(lambda: handler.names[-1] == "after")

    @pytest.mark.usefixtures("no_polling")
    async def test_listening_connection_survives_garbage_collection(self, url: str) -> None:
        """asyncpg silently closes a connection without references, and its listeners with it."""
        handler = RecordingHandler()
        async with process(url) as one:
            queue = one.queue(ALONE)
            async with running(queue, handler):
                await queue.enqueue([ticket("before")])
                await handler.until(lambda: handler.names == ["before"])
                for _ in range(3):
                    gc.collect()
                    await asyncio.sleep(0.05)
                await queue.enqueue([ticket("after")])
                await handler.until(lambda: handler.names == ["before", "after"])

    async def test_ticket_that_fails_during_an_outage_is_handled_again(self, url: str) -> None:
        """Its retry is written when Postgres is available again."""

        async def work(given: Ticket) -> None:
            if given.scene_id == "a" and handler.names.count("a") == 1:
                await disconnect(other, "queue")
                raise RuntimeError("the database is unavailable")

        handler = RecordingHandler(work)
        async with process(url) as one, process(url) as other:
            queue = one.queue(ALONE)
            async with running(queue, handler):
                await every_lane_runs(queue, handler)
                await queue.enqueue([ticket("a")])
                await handler.until(lambda: handler.names[-2:] == ["a", "a"])


async def accepted(one: Process, ticket: Ticket) -> bool:
    """Enqueue a ticket; returns whether it was accepted."""
    with suppress(Exception):
        await one.queue(ALONE).enqueue([ticket])
        return True
    return False


class TestManyWorkers:
    """Limits, leases and shutdown with several workers."""

    async def test_limit_of_a_provider_is_shared_by_all_workers(self, url: str) -> None:
        """Each worker could run four; of the limited provider both together run one."""
        limited = Concurrency(4, {"local": 0, "costly": 1})
        handler = RecordingHandler(briefly)
        async with process(url) as one, process(url) as other:
            queue = one.queue(limited)
            await queue.enqueue([ticket(f"costly_{n}")._replace(provider="costly") for n in range(6)])
            await queue.enqueue([ticket(f"local_{n}") for n in range(12)])
            async with running(queue, handler), running(other.queue(limited), handler):
                await handler.until(lambda: len(handler.given) == 18 and not handler.running)
        assert handler.most["costly"] == 1
        assert handler.most["local"] > 1

    async def test_each_worker_has_its_own_concurrency(self, url: str) -> None:
        """Two workers with a concurrency of one run two tickets at once."""
        both_run = asyncio.Event()

        async def until_both_run(_ticket: Ticket) -> None:
            await both_run.wait()

        one_handler, other_handler = RecordingHandler(until_both_run), RecordingHandler(until_both_run)
        async with process(url) as one, process(url) as other:
            queue = one.queue(ALONE)
            await queue.enqueue([ticket(f"scene_{n}") for n in range(12)])
            async with running(queue, one_handler), running(other.queue(ALONE), other_handler):
                await one_handler.until(lambda: len(one_handler.running) == 1)
                await other_handler.until(lambda: len(other_handler.running) == 1)
                both_run.set()
                await eventually(lambda: len(one_handler.given) + len(other_handler.given) == 12)
        assert (one_handler.most["all"], other_handler.most["all"]) == (1, 1)

    @pytest.mark.parametrize("late_result", ["success", "failure"])
    async def test_late_result_of_a_lost_ticket_is_ignored(self, url: str, late_result: str) -> None:
        """A worker whose lease expired finishes late: the ticket belongs to another worker, and stays picked."""
        slow, successor = asyncio.Event(), asyncio.Event()

        async def until_slow(_ticket: Ticket) -> None:
            await slow.wait()
            if late_result == "failure":
                raise RuntimeError("a defect")

        async def until_successor(_ticket: Ticket) -> None:
            await successor.wait()

        first, second = RecordingHandler(until_slow), RecordingHandler(until_successor)
        async with process(url) as one, process(url) as other:
            queue = one.queue(ALONE)
            await queue.enqueue([ticket("a")])
            async with running(queue, first):
                await first.until(lambda: first.names == ["a"])
                await rows(other, "UPDATE pgqueuer SET heartbeat = now() - interval '1 hour' RETURNING id")
                async with running(other.queue(ALONE), second):
                    await second.until(lambda: second.names == ["a"])
                    slow.set()
                    await first.until(lambda: not first.running)
                    # The late result would be written by now.
                    await asyncio.sleep(0.5)
                    assert await rows(other, "SELECT status::text FROM pgqueuer") == [("picked",)]
                    successor.set()
                    await eventually(lambda: is_empty(other))
        assert (first.names, second.names) == (["a"], ["a"])

    @pytest.mark.parametrize("column", ["execute_after", "heartbeat"])
    async def test_reconciler_corrects_tickets_from_before_the_clock_went_back(self, url: str, column: str) -> None:
        """A delay beyond the longest one ends now; a heartbeat from the future protects the ticket of a dead worker
        for one lease from now at most."""
        handler = RecordingHandler()
        async with process(url) as one:
            queue = one.queue(ALONE, lease_seconds=1.0)
            await queue.enqueue([ticket("a")])
            picked = "status = 'picked', queue_manager_id = gen_random_uuid()," if column == "heartbeat" else ""
            ahead = f"UPDATE pgqueuer SET {picked} {column} = now() + interval '1 hour' RETURNING id"  # noqa: S608 # constants
            await rows(one, ahead)
            await queue.enqueue([ticket("a")])
            async with running(queue, handler):
                await handler.until(lambda: handler.names == ["a"])

    async def test_stopping_worker_releases_its_tickets(self, url: str) -> None:
        """Another worker does not have to wait for the end of the lease."""
        first, second = RecordingHandler(forever), RecordingHandler()
        async with process(url) as one, process(url) as other:
            queue = one.queue(Concurrency(3, {"local": 0}), lease_seconds=3_600.0)
            await queue.enqueue([ticket(f"scene_{n}") for n in range(3)])
            async with running(queue, first):
                await first.until(lambda: len(first.running) == 3)
            async with running(other.queue(ALONE), second):
                await second.until(lambda: len(second.given) == 3)


async def briefly(_ticket: Ticket) -> None:
    await asyncio.sleep(0.03)


async def forever(_ticket: Ticket) -> None:
    await asyncio.Event().wait()


async def is_empty(one: Process) -> bool:
    """Whether the queue has no rows."""
    return await rows(one, "SELECT id FROM pgqueuer") == []
