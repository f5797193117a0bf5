"""The log of the Postgres queue: pruned by age, and by the housekeeping of a server."""

from collections.abc import Generator, Sequence
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

ALONE = Concurrency(1, {"local": 0})


@pytest.fixture
def url(postgres: Databases) -> Generator[str]:
    with postgres.fresh() as url:
        yield url


def ticket(name: str) -> Ticket:
    """A ticket of the scene with this id."""
    return Ticket("local", "job_1", name, 1)


async def rows(one: Process, statement: str) -> Sequence[Any]:
    """The rows that another connection reads."""
    async with one.database.connect(one.database.writer) as connection, connection.begin():
        return (await connection.exec_driver_sql(statement)).all()


async def is_empty(one: Process) -> bool:
    """Whether the queue has no rows."""
    return await rows(one, "SELECT id FROM pgqueuer") == []


class TestTheLog:
    """PgQueuer never deletes its log; `prune` does."""

    async def test_log_entries_older_than_a_day_are_deleted(self, url: str) -> None:
        """Younger ones are kept for diagnosis."""
        handler = RecordingHandler()
        async with process(url) as one:
            queue = one.queue(ALONE)
            async with running(queue, handler):
                for name in ("old", "young"):
                    await queue.enqueue([ticket(name)])
                    await handler.until(lambda: name in handler.names)  # noqa: B023 # awaited within the turn
                    await eventually(lambda: is_empty(one))
                    if name == "old":
                        await rows(one, "UPDATE pgqueuer_log SET created = now() - interval '25 hours' RETURNING id")
            await queue.prune()
            assert await rows(one, "SELECT DISTINCT created > now() - interval '1 hour' FROM pgqueuer_log") == [(True,)]

    async def test_server_prunes_the_log(self, postgres: Databases, tmp_path: Path) -> None:
        """As part of its housekeeping."""
        with database_choice.use(postgres):
            async with process(database_choice.url(tmp_path)) as one:
                await rows(
                    one,
                    "INSERT INTO pgqueuer_log (job_id, status, priority, entrypoint, created) "
                    "VALUES (1, 'successful', 0, 'render.local', now() - interval '1 year') RETURNING id",
                )

                async def pruned() -> bool:
                    return await rows(one, "SELECT id FROM pgqueuer_log") == []

                async with serving(tmp_path):
                    await eventually(pruned)
