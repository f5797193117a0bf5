"""Positions of jobs that begin to be watched: found for all that join together, however often the database fails."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from coordinator.live import positions
from models.db.database import Database
from models.domain.access import LOCAL
from models.domain.errors import Unavailable
from models.reads import queries
from models.reads.queries import JobHead
from tests.support import jobs
from tests.support.event_watcher import EventWatcher
from tests.support.server_app import App, running
from tests.support.waiting import TIMEOUT_SECONDS, eventually

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("database", "no_resync")]


class Heads:
    """The readings of positions, of which the first ones fail."""

    def __init__(self, *failures: Exception) -> None:
        self.asked: list[list[str]] = []
        self._failures = list(failures)
        self._read = queries.job_heads

    async def __call__(self, database: Database, job_ids: Sequence[str]) -> dict[str, JobHead]:
        """Read the positions, or fail."""
        self.asked.append(list(job_ids))
        if self._failures:
            raise self._failures.pop(0)
        return await self._read(database, job_ids)


async def watch(app: App, job_id: str, watcher: EventWatcher, joined: asyncio.Event, may_leave: asyncio.Event) -> None:
    """Watch a job until the watcher may leave."""
    async with app.container.hub.join(job_id, watcher, LOCAL):
        joined.set()
        await may_leave.wait()


@pytest.mark.parametrize("defect", [False, True])
async def test_joins_wait_for_a_database_that_fails_and_miss_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, defect: bool
) -> None:
    """One who leaves meanwhile is not read for, and one who comes meanwhile is served with the others."""
    monkeypatch.setattr(positions, "JOBS_A_READ", 2)
    failure = ValueError("a defect") if defect else Unavailable("UNAVAILABLE", "The database does not answer.")
    async with running(tmp_path) as app, asyncio.timeout(TIMEOUT_SECONDS):
        made = [await jobs.make(app, title=f"Job {number}") for number in range(4)]
        heads, may_leave = Heads(failure, failure), asyncio.Event()
        monkeypatch.setattr(queries, "job_heads", heads)
        watchers, joined = [EventWatcher() for _ in made], [asyncio.Event() for _ in made]

        def begin(number: int) -> asyncio.Task[None]:
            return asyncio.create_task(watch(app, made[number].id, watchers[number], joined[number], may_leave))

        tasks = [begin(number) for number in range(3)]
        await eventually(lambda: len(heads.asked) == 1)
        tasks[0].cancel()
        tasks.append(begin(3))
        await asyncio.gather(*(each.wait() for each in joined[1:]))
        assert made[0].id not in {job_id for asked in heads.asked[1:] for job_id in asked}
        assert max(len(asked) for asked in heads.asked) <= 2
        last = [await jobs.retitle(app, each.id, "Changed") for each in made]
        for watcher, version in list(zip(watchers, last, strict=True))[1:]:
            await eventually(lambda: bool(watcher.events))  # noqa: B023 # awaited here
            assert [event.version for event in watcher.events] == [version]
        assert watchers[0].events == []
        asked = len(heads.asked)
        again, has_joined = EventWatcher(), asyncio.Event()
        tasks.append(asyncio.create_task(watch(app, made[0].id, again, has_joined, may_leave)))
        await has_joined.wait()
        assert len(heads.asked) == asked + 1
        may_leave.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert app.container.hub.watchers == 0
