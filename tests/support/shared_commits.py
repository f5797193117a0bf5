"""Changes on SQLite that wait for each other, and their commits."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence

import pytest

from models.db import sqlite_writer
from models.db.drivers import Rows
from models.db.prepared import Call
from models.db.sqlite_writer import COMMIT
from models.domain.access import LOCAL
from models.domain.events import EventType
from models.writes.change import Change
from tests.support.domain import Domain
from tests.support.waiting import TIMEOUT_SECONDS


class Commits:
    """Records the commits of write transactions; `failure`, when set, is raised in place of the next one."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.failure: Exception | None = None
        self.holds_thread = False
        """Whether what is executed in the thread of the file waits for `may_go_on`."""
        self.is_held = threading.Event()
        self.may_go_on = threading.Event()
        execute_all = sqlite_writer.execute_all

        def observed(
            connection: sqlite3.Connection, calls: Sequence[Call], before: Sequence[str], after: Sequence[str]
        ) -> list[Rows]:
            if self.holds_thread and threading.current_thread() is not threading.main_thread():
                self.is_held.set()
                assert self.may_go_on.wait(TIMEOUT_SECONDS)
            if COMMIT not in after:
                return execute_all(connection, calls, before, after)
            failure, self.failure = self.failure, None
            if failure is not None:
                raise failure
            found = execute_all(connection, calls, before, after)
            self.log.append("commit")
            return found

        patch.setattr(sqlite_writer, "execute_all", observed)


class Queue:
    """Changes that wait for the connection in a known order, behind one that holds it."""

    def __init__(self, env: Domain, commits: Commits) -> None:
        self.env = env
        self.commits = commits
        commits.log.clear()
        self._tasks: list[asyncio.Task[None]] = []
        self._may_go_on = asyncio.Event()

    async def add(self, job_id: str, within: Callable[[Change], object] | None = None) -> asyncio.Task[None]:
        """Start a change of the job that waits for its turn; `within` is called in it, and may raise."""
        entered = asyncio.Event()
        task = asyncio.create_task(self._change(job_id, entered, within, first=not self._tasks))
        if self._tasks:
            # The others have queued up when the first one holds the connection and they have run once.
            await asyncio.sleep(0)
        else:
            await entered.wait()
        self._tasks.append(task)
        return task

    async def results(self) -> list[BaseException | None]:
        """Let all changes go on; return the error of each."""
        self._may_go_on.set()
        return await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _change(
        self, job_id: str, entered: asyncio.Event, within: Callable[[Change], object] | None, *, first: bool
    ) -> None:
        async with self.env.store.change(job_id, LOCAL) as change:
            entered.set()
            if first:
                await self._may_go_on.wait()
            change.record(EventType.JOB_UPDATED, changed=["title"])
            if within is not None:
                within(change)
        self.commits.log.append("acknowledged")


async def versions(env: Domain, job_ids: list[str]) -> list[int]:
    """Return the version of each job."""
    return [(await env.job_state(job_id)).job.version for job_id in job_ids]
