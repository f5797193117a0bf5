"""A server's parts in process, without a server around them: to be asked, looked into from outside, and killed."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import SQLModel

from coordinator.renders import reconciler
from models.db.database import Connection
from models.db.tables import AUDIT, IDEMPOTENCY_KEY
from models.writes.change import Work
from models.writes.store import Committed
from providers.scripted import ScriptedProvider
from server.container import Container
from server.settings import Settings
from tests.support.client import Json
from tests.support.database_choice import home
from tests.support.domain import MAX_ATTEMPTS, OURS, Outside, prepare
from tests.support.recording_queue import Gathering


class Death(StrEnum):
    """When the process is killed in the middle of a change."""

    BEFORE_COMMIT = "before the commit"
    AFTER_COMMIT = "after the commit, before anybody hears of it"


class Killed(BaseException):
    """The process is no more; nobody catches that."""


class World:
    """`committed` is what the store said after its commits; a `death` comes with the next one."""

    def __init__(self, folder: Path) -> None:
        prepare(folder)
        self._folder = folder
        self._outside = Outside(home.url(folder))
        self.committed: list[Committed] = []
        self.death: Death | None = None
        self._settings = Settings.model_validate(
            {
                "database_url": home.url(folder),
                "media_url": str(folder / "media"),
                "provider": OURS,
                "max_attempts": MAX_ATTEMPTS,
                "regenerates_an_hour": 0,
            }
        )
        self.container = self._opened()

    def rows(self) -> list[str]:
        """Every row of every table as another program finds it, each with the name of its table."""
        return sorted(text for (text,) in self._outside.rows(_every_row(distributed=home.distributed)))

    async def kill(self) -> Gathering:
        """Kill the process and start another; answers what its reconciler puts into the queue."""
        self.death = None
        await self._end()
        self.container = self._opened()
        return await self.reconciled()

    async def reconciled(self) -> Gathering:
        """What the reconciler would put into the queue."""
        found = Gathering()
        await reconciler.reconcile(self.container.store, found)
        return found

    async def expire(self, table: sa.Table, thing_id: str) -> None:
        """So much time passes that it can no longer be restored."""
        over = sa.update(table).where(table.c.id == thing_id).values(purge_after=datetime.now(UTC) - timedelta(hours=2))
        async with self.container.store.maintenance() as connection:
            await connection.execute(over)

    async def close(self) -> None:
        """Leave nothing open."""
        self._outside.close()
        await self._end()
        home.leave(self._folder)

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)
        await self.container.database.close()

    def _opened(self) -> Container:
        container = Container(self._settings, {OURS: ScriptedProvider()})
        enqueue, tell = container.store.before_commit, container.store.after_commit

        async def before_commit(connection: Connection, work: Sequence[Work]) -> None:
            await enqueue(connection, work)
            self._dies(Death.BEFORE_COMMIT)

        def after_commit(committed: Committed) -> None:
            self._dies(Death.AFTER_COMMIT)
            self.committed.append(committed)
            tell(committed)

        container.store.before_commit, container.store.after_commit = before_commit, after_commit
        return container

    def _dies(self, death: Death) -> None:
        if self.death is death:
            raise Killed


def rows_of(table: sa.Table, job_id: str, rows: Sequence[str]) -> list[Json]:
    """Those of a job."""
    return [json.loads(row[len(table.name) :]) for row in rows if row.startswith(f"{table.name} ") and job_id in row]


def beside(job_id: str, rows: Sequence[str]) -> list[str]:
    """All rows that do not belong to the job, nor to the requests that were made."""
    of_requests = (f"{AUDIT.name} ", f"{IDEMPOTENCY_KEY.name} ")
    return [row for row in rows if job_id not in row and not row.startswith(of_requests)]


def _every_row(*, distributed: bool) -> str:
    as_json = "json_build_object" if distributed else "json_object"
    return " UNION ALL ".join(_rows_of(table, as_json) for table in SQLModel.metadata.sorted_tables)


def _rows_of(table: sa.Table, as_json: str) -> str:
    columns = ", ".join(f"'{column.name}', {column.name}" for column in table.columns)
    return f"SELECT '{table.name} ' || CAST({as_json}({columns}) AS TEXT) FROM {table.name}"  # noqa: S608 # our names
