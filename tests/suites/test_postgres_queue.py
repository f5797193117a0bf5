"""What the queue in Postgres promises beyond what every queue does: to transactions, and to the other processes."""

import asyncio
import gc
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from coordinator.queue.port import Concurrency
from models.writes.change import Ticket
from tests.support.database_choice import database_choice
from tests.support.postgres import Databases
from tests.support.postgres_processes import Process, process
from tests.support.recording_handler import RecordingHandler, running
from tests.support.server_app import running as serving
from tests.support.waiting import eventually

SOON_SECONDS = 1.0
# A busy machine has a part in it.
SLACK_SECONDS = 0.5
ALONE = Concurrency(1, {"local": 0})


@pytest.fixture
def url(postgres: Databases) -> Generator[str]:
    with postgres.fresh() as url:
        yield url


def ticket(name: str) -> Ticket:
    """A ticket of the scene of that name."""
    return Ticket("local", "job_1", name, 1)


async def rows(one: Process, statement: str) -> Sequence[Any]:
    """What another connection finds."""
    async with one.database.connect(one.database.reader) as connection, connection.begin():
        return (await connection.exec_driver_sql(statement)).all()


async def cut(one: Process, purpose: str) -> int:
    """Cut off the connections of that name; answers how many there were."""
    cutting = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%{purpose}'"  # noqa: S608
    return len(await rows(one, cutting))


class TestTransactions:
    """A ticket is as durable as the change that it belongs to."""

    async def test_it_is_there_with_the_commit_and_not_before(self, url: str) -> None:
        """Whoever looks meanwhile finds nothing."""
        async with process(url) as one:
            queue = one.queue(ALONE)
            async with one.database.connect(one.database.writer) as connection, connection.begin() as transaction:
                await connection.exec_driver_sql("SELECT 1")
                await queue.enqueue([ticket("a")], connection)
                assert await rows(one, "SELECT dedupe_key FROM pgqueuer") == []
                await transaction.commit()
            assert await rows(one, "SELECT dedupe_key FROM pgqueuer") == [("a:1",)]

    async def test_a_rollback_takes_it_back(self, url: str) -> None:
        """As if it had never been there."""
        async with process(url) as one:
            queue = one.queue(ALONE)
            async with one.database.connect(one.database.writer) as connection, connection.begin() as transaction:
                await connection.exec_driver_sql("SELECT 1")
                await queue.enqueue([ticket("a")], connection)
                await transaction.rollback()
            assert await rows(one, "SELECT dedupe_key FROM pgqueuer") == []

    async def test_it_must_not_escape(self, url: str) -> None:
        """The transaction begins with its first statement: a ticket before that is refused."""
        async with process(url) as one:
            queue = one.queue(ALONE)
            async with one.database.connect(one.database.writer) as connection, connection.begin():
                with pytest.raises(RuntimeError, match="escape"):
                    await queue.enqueue([ticket("a")], connection)
            assert await rows(one, "SELECT dedupe_key FROM pgqueuer") == []


class TestLostConnections:
    """A worker that is cut off goes on as soon as it is let in again."""

    @pytest.mark.parametrize("purpose", ["listener", "queue", ""])
    async def test_the_next_ticket_is_taken_within_a_second(self, url: str, purpose: str) -> None:
        """Whichever of its connections were lost."""
        renderer = RecordingHandler()
        async with process(url) as one, process(url) as other:
            queue = one.queue(ALONE)
            async with running(queue, renderer):
                await queue.enqueue([ticket("before")])
                await renderer.until(lambda: renderer.names == ["before"])
                with suppress(Exception):
                    # With every connection its own goes, too.
                    await cut(other, purpose)
                cut_at = time.monotonic()
                await eventually(lambda: accepted(other, ticket("after")))
                await renderer.until(lambda: renderer.names == ["before", "after"])
        assert renderer.given_at[-1] - cut_at <= SOON_SECONDS + SLACK_SECONDS

    async def test_it_is_not_collected(self, url: str) -> None:
        """asyncpg lets a connection go that nobody refers to, and with it its listeners, without a word."""
        renderer = RecordingHandler()
        async with process(url) as one:
            queue = one.queue(ALONE)
            async with running(queue, renderer):
                await queue.enqueue([ticket("before")])
                await renderer.until(lambda: renderer.names == ["before"])
                for _ in range(3):
                    gc.collect()
                    await asyncio.sleep(0.05)
                put_at = time.monotonic()
                await queue.enqueue([ticket("after")])
                await renderer.until(lambda: renderer.names == ["before", "after"])
        # Without notifications it would look for work every two seconds.
        assert renderer.given_at[-1] - put_at <= SLACK_SECONDS

    async def test_a_ticket_in_hand_is_not_lost_with_them(self, url: str) -> None:
        """What has to wait while Postgres is away is put back when it is there again."""

        async def work(_ticket: Ticket) -> None:
            if len(renderer.given) == 1:
                await cut(other, "queue")
                raise RuntimeError("the database is away")

        renderer = RecordingHandler(work)
        async with process(url) as one, process(url) as other:
            queue = one.queue(ALONE)
            async with running(queue, renderer):
                await queue.enqueue([ticket("a")])
                await renderer.until(lambda: renderer.names == ["a", "a"])


async def accepted(one: Process, ticket: Ticket) -> bool:
    """Whether a ticket was accepted."""
    with suppress(Exception):
        await one.queue(ALONE).enqueue([ticket])
        return True
    return False


class TestManyWorkers:
    """What several processes agree on."""

    async def test_the_limit_of_a_provider_is_that_of_all(self, url: str) -> None:
        """Each could take four, both together take one; the limit is used, and nobody waits for ever."""
        limited = Concurrency(4, {"local": 0, "dear": 1})
        renderer = RecordingHandler(briefly)
        async with process(url) as one, process(url) as other:
            queue = one.queue(limited)
            await queue.enqueue([ticket(f"dear_{n}")._replace(provider="dear") for n in range(6)])
            await queue.enqueue([ticket(f"local_{n}") for n in range(12)])
            async with running(queue, renderer), running(other.queue(limited), renderer):
                await renderer.until(lambda: len(renderer.given) == 18 and not renderer.running)
        assert renderer.most["dear"] == 1
        assert renderer.most["local"] > 1

    async def test_each_worker_has_a_limit_of_its_own(self, url: str) -> None:
        """Two that take one at a time run two at a time."""
        one_renders, other_renders = RecordingHandler(briefly), RecordingHandler(briefly)
        async with process(url) as one, process(url) as other:
            queue = one.queue(ALONE)
            await queue.enqueue([ticket(f"scene_{n}") for n in range(12)])
            async with running(queue, one_renders), running(other.queue(ALONE), other_renders):
                await one_renders.until(lambda: len(one_renders.given) >= 2)
                await other_renders.until(lambda: len(one_renders.given) + len(other_renders.given) == 12)
        assert (one_renders.most["all"], other_renders.most["all"]) == (1, 1)
        assert other_renders.given

    async def test_who_lost_a_ticket_says_nothing_about_it(self, url: str) -> None:
        """A worker that was frozen comes back and is done: the ticket is the other's by now, and stays."""
        slow, heir = asyncio.Event(), asyncio.Event()

        async def until_slow(_ticket: Ticket) -> None:
            await slow.wait()

        async def until_heir(_ticket: Ticket) -> None:
            await heir.wait()

        first, second = RecordingHandler(until_slow), RecordingHandler(until_heir)
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
                    # Its word would be there by now.
                    await asyncio.sleep(0.5)
                    assert await rows(other, "SELECT status::text FROM pgqueuer") == [("picked",)]
                    heir.set()
                    await eventually(lambda: nothing_left(other))
        assert (first.names, second.names) == (["a"], ["a"])

    async def test_a_worker_that_stops_hands_its_tickets_on_at_once(self, url: str) -> None:
        """Nobody has to wait for the end of its lease."""
        first, second = RecordingHandler(forever), RecordingHandler()
        async with process(url) as one, process(url) as other:
            queue = one.queue(Concurrency(3, {"local": 0}))
            await queue.enqueue([ticket(f"scene_{n}") for n in range(3)])
            async with running(queue, first):
                await first.until(lambda: len(first.running) == 3)
            stopped_at = time.monotonic()
            async with running(other.queue(ALONE), second):
                await second.until(lambda: len(second.given) == 3)
        assert second.given_at[-1] - stopped_at <= 2 * SOON_SECONDS + SLACK_SECONDS


async def briefly(_ticket: Ticket) -> None:
    await asyncio.sleep(0.03)


async def forever(_ticket: Ticket) -> None:
    await asyncio.Event().wait()


async def nothing_left(one: Process) -> bool:
    """Whether the queue is empty."""
    return await rows(one, "SELECT id FROM pgqueuer") == []


class TestTheLog:
    """PgQueuer writes down what it does, and never forgets it."""

    async def test_what_is_old_is_forgotten(self, url: str) -> None:
        """After a day; what is younger stays for whoever has to find out what happened."""
        renderer = RecordingHandler()
        async with process(url) as one:
            queue = one.queue(ALONE)
            async with running(queue, renderer):
                for name in ("old", "young"):
                    await queue.enqueue([ticket(name)])
                    await renderer.until(lambda: name in renderer.names)  # noqa: B023 # awaited within the turn
                    await eventually(lambda: nothing_left(one))
                    if name == "old":
                        await rows(one, "UPDATE pgqueuer_log SET created = now() - interval '25 hours' RETURNING id")
            await queue.prune()
            assert await rows(one, "SELECT DISTINCT created > now() - interval '1 hour' FROM pgqueuer_log") == [(True,)]

    async def test_a_server_sees_to_it(self, postgres: Databases, tmp_path: Path) -> None:
        """By itself, among its housekeeping."""
        with database_choice.use(postgres):
            async with process(database_choice.url(tmp_path)) as one:
                await rows(
                    one,
                    "INSERT INTO pgqueuer_log (job_id, status, priority, entrypoint, created) "
                    "VALUES (1, 'successful', 0, 'render.local', now() - interval '1 year') RETURNING id",
                )

                async def forgotten() -> bool:
                    return await rows(one, "SELECT id FROM pgqueuer_log") == []

                async with serving(tmp_path):
                    await eventually(forgotten)
