"""The product under test: a server's container without a server around it, which can be killed and restarted."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from unittest.mock import patch

import sqlalchemy as sa
from sqlmodel import SQLModel

from coordinator.renders import reconciler
from models.db.database import Connection, Database
from models.db.tables import AUDIT, IDEMPOTENCY_KEY, SCENE
from models.db.turn_tables import OWNER_TURN
from models.writes.change import Work
from models.writes.store import CommitListener, Committed, Store
from providers.scripted import ScriptedProvider
from server.container import Container
from server.settings import Settings
from tests.support.client import Json
from tests.support.database_choice import database_choice
from tests.support.domain import MAX_ATTEMPTS, OURS, external_reader
from tests.support.migrated_file import create_migrated
from tests.support.recording_queue import RecordingQueue


class CrashPoint(StrEnum):
    """Where in a change the process is killed."""

    BEFORE_COMMIT = "before commit"
    AFTER_COMMIT = "after commit, before hints"


class Killed(BaseException):
    """The process was killed; the product cannot catch it."""


class Env:
    """A container on a fresh database. `committed`: what the store reported after commits; `crash`: the next crash."""

    def __init__(self, folder: Path) -> None:
        create_migrated(folder)
        self._folder = folder
        self._external = external_reader(database_choice.url(folder))
        self.committed: list[Committed] = []
        self.crash: CrashPoint | None = None
        self._settings = Settings.model_validate(
            {
                "database_url": database_choice.url(folder),
                "media_url": str(folder / "media"),
                "provider": OURS,
                "max_attempts": MAX_ATTEMPTS,
                "regenerates_an_hour": 0,
            }
        )
        self.container = self._start()

    def rows(self) -> list[str]:
        """Return every row of every table, read on another connection; each starts with the name of its table."""
        return sorted(text for (text,) in self._external.rows(_every_row(distributed=database_choice.distributed)))

    async def restart(self) -> RecordingQueue:
        """Kill the process and start another; return what its reconciler enqueues."""
        self.crash = None
        await self._kill()
        self.container = self._start()
        return await self.reconcile()

    async def reconcile(self) -> RecordingQueue:
        """Return what the reconciler would enqueue."""
        queue = RecordingQueue()
        await reconciler.reconcile(self.container.store, queue)
        return queue

    async def expire(self, table: sa.Table, row_id: str) -> None:
        """Move the end of a recovery window into the past."""
        past = datetime.now(UTC) - timedelta(hours=2)
        async with self.container.store.maintenance() as connection:
            await connection.execute(sa.update(table).where(table.c.id == row_id).values(purge_after=past))

    async def silence(self, scene_id: str, span: timedelta) -> None:
        """Move the last report on a scene, if its take waits for one, into the past."""
        async with self.container.store.maintenance() as connection:
            silent = sa.update(SCENE).where(SCENE.c.id == scene_id, SCENE.c.reported_at.is_not(None))
            await connection.execute(silent.values(reported_at=datetime.now(UTC) - span))

    async def close(self) -> None:
        """Release everything."""
        self._external.close()
        await self._kill()
        database_choice.drop(self._folder)

    async def _kill(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)
        await self.container.database.close()

    def _start(self) -> Container:
        with patch("server.container.Store", self._crashing_store):
            return Container(self._settings, {OURS: ScriptedProvider()})

    def _crashing_store(self, database: Database, listener: CommitListener) -> Store:
        return Store(database, _CrashingListener(self, listener))

    def crash_at(self, point: CrashPoint) -> None:
        """Raise Killed if this is the point at which the process is to be killed."""
        if self.crash is point:
            raise Killed


class _CrashingListener:
    """Kills the process before or after a commit; otherwise records the commit and passes it on."""

    def __init__(self, env: Env, listener: CommitListener) -> None:
        self._env = env
        self._listener = listener

    @property
    def joins_transactions(self) -> bool:
        return True

    async def before_commit(self, connection: Connection, work: Sequence[Work]) -> None:
        if self._listener.joins_transactions:
            await self._listener.before_commit(connection, work)
        self._env.crash_at(CrashPoint.BEFORE_COMMIT)

    def after_commit(self, committed: Committed) -> None:
        self._env.crash_at(CrashPoint.AFTER_COMMIT)
        self._env.committed.append(committed)
        self._listener.after_commit(committed)


def rows_of(table: sa.Table, job_id: str, rows: Sequence[str]) -> list[Json]:
    """Return the rows of a table that belong to a job."""
    return [json.loads(row[len(table.name) :]) for row in rows if row.startswith(f"{table.name} ") and job_id in row]


def rows_of_others(job_id: str, rows: Sequence[str]) -> list[str]:
    """Return all rows that belong neither to the job nor to the record of requests."""
    of_requests = (f"{AUDIT.name} ", f"{IDEMPOTENCY_KEY.name} ")
    return [row for row in rows if job_id not in row and not row.startswith(of_requests)]


def _every_row(*, distributed: bool) -> str:
    as_json = "json_build_object" if distributed else "json_object"
    # The turns of owners belong to no job, and the reconciler removes those that are left over.
    tables = [table for table in SQLModel.metadata.sorted_tables if table is not OWNER_TURN]
    return " UNION ALL ".join(_rows_of(table, as_json) for table in tables)


def _rows_of(table: sa.Table, as_json: str) -> str:
    columns = ", ".join(f"'{column.name}', {column.name}" for column in table.columns)
    return f"SELECT '{table.name} ' || CAST({as_json}({columns}) AS TEXT) FROM {table.name}"  # noqa: S608 # our names
