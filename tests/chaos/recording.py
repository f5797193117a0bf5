"""A record of every state of every job, written by the database in the transaction that makes the state.

`recording` puts it into a server process of a run; `read` returns it. So the record has what a client may show at a
version: the state that was committed with it, and the progress that was committed later at the same version.
"""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from models.db.prepared import Call
from models.db.shared_commits import SharedTransaction
from models.db.transactions import OwnTransaction

Json = dict[str, Any]

TABLE: Final = """CREATE TABLE IF NOT EXISTS recorded_state (
    number {serial} PRIMARY KEY, job_id TEXT NOT NULL, version INTEGER NOT NULL, at {double} NOT NULL,
    state TEXT NOT NULL
)"""
SCENE_FIELDS: Final = ("id", "title", "prompt", "status", "percentage", "high_water")
# A row for each job whose newest row has another state.
RECORD: Final = """INSERT INTO recorded_state (job_id, version, at, state)
SELECT now.id, now.version, {instant}, now.state FROM (
    SELECT job.id, job.version, CAST({object}('title', job.title, 'status', job.status, 'scenes', {scenes}) AS TEXT)
    AS state FROM job
) AS now LEFT JOIN recorded_state AS before ON before.number = (
    SELECT max(number) FROM recorded_state WHERE job_id = now.id
)
WHERE before.number IS NULL OR before.version <> now.version OR before.state <> now.state"""
LIVE_SCENES: Final = "FROM scene WHERE job_id = job.id AND deleted_at IS NULL"
_IN_ORDER: Final = f"SELECT * {LIVE_SCENES} ORDER BY position"  # a constant
_PAIRS: Final = ", ".join(f"'{name}', {name}" for name in SCENE_FIELDS)

ON_SQLITE: Final = (
    TABLE.format(serial="INTEGER", double="REAL"),
    RECORD.format(
        instant="(julianday('now') - 2440587.5) * 86400.0",
        object="json_object",
        scenes=f"json((SELECT json_group_array(json_object({_PAIRS})) FROM ({_IN_ORDER})))",  # noqa: S608 # a constant
    ),
)
ON_POSTGRES: Final = (
    # One transaction after the other, so that each sees what the one before has committed.
    "SELECT pg_advisory_xact_lock(15)",
    TABLE.format(serial="BIGSERIAL", double="DOUBLE PRECISION"),
    RECORD.format(
        instant="CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)",
        object="json_build_object",
        scenes=f"(SELECT coalesce(json_agg(json_build_object({_PAIRS}) ORDER BY position), '[]') {LIVE_SCENES})",
    ),
)


class Recorded(NamedTuple):
    """A state of a job: its version, when it was written (seconds since 1970, just before the commit), and its rows."""

    version: int
    at: float
    title: str
    status: str
    scenes: list[Json]


class RecordingOnSqlite(SharedTransaction):
    """Records before the commit, or before the savepoint of a group is released."""

    async def complete(self, calls: Sequence[Call]) -> None:
        """Execute the last statements, record, and leave the commit to another transaction."""
        await self._record(calls)
        await super().complete(())

    async def complete_alone(self, calls: Sequence[Call]) -> None:
        """Execute the last statements, record, and commit."""
        await self._record(calls)
        await super().complete_alone(())

    async def _record(self, calls: Sequence[Call]) -> None:
        await self.run_together(calls)
        await self._driver.run((), before=ON_SQLITE)


class RecordingOnPostgres(OwnTransaction):
    """Records before the commit."""

    async def commit(self, calls: Sequence[Call] = ()) -> None:
        """Execute the last statements, record, and commit."""
        if calls:
            await self.run_together(calls)
        await self._driver.run((), before=ON_POSTGRES)
        await super().commit()


@contextmanager
def recording() -> Generator[None]:
    """Record every transaction of this process."""
    with (
        patch("models.db.shared_commits.SharedTransaction", RecordingOnSqlite),
        patch("models.db.database.OwnTransaction", RecordingOnPostgres),
    ):
        yield


async def read(database_url: str) -> dict[str, list[Recorded]]:
    """Return the states of each job, in the order of their commits; the server may be running."""
    engine = create_async_engine(database_url, poolclass=NullPool)
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql(
            "SELECT job_id, version, at, state FROM recorded_state ORDER BY number"
        )
    await engine.dispose()
    states: dict[str, list[Recorded]] = {}
    for row in found:
        states.setdefault(row.job_id, []).append(Recorded(row.version, row.at, **json.loads(row.state)))
    return states
