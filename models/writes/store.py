"""The store: how state is read, and the one way it is written.

`async with store.change(job_id, viewer) as change:` is that way. Its first statement raises `job.version`, which takes
the row lock on Postgres and the write lock on SQLite, so all changes of a job happen one after another. Leaving the
block writes the counters, the derived status and the events, and commits; an exception, or a block that recorded no
event and has nothing to keep, leaves nothing behind. What must follow a commit (hints, dispatch, aborting renders) is
told to `after_commit`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple
from weakref import WeakValueDictionary

import sqlalchemy as sa

from models.db import rows
from models.db.database import Connection, Database, shield_to_completion
from models.db.rows import JOB_COLUMNS, JobRow
from models.db.tables import EVENT, JOB
from models.domain import ids
from models.domain.access import Act, Viewer, may_do, may_see
from models.domain.errors import Conflict, ErrorCode, Forbidden, InvalidState, no_such_job
from models.writes import audit, composition, outbox
from models.writes.change import Assembly, Change, Tick, Ticket, Work

log = logging.getLogger(__name__)


class Committed(NamedTuple):
    """What a committed change leaves to be done: hint the job's watchers, dispatch work, abort fenced renders.

    `version` is None when only fractions of running renders were written, which the clock does not count.
    """

    job_id: str
    version: int | None
    ticks: Sequence[Tick]
    tickets: Sequence[Ticket]
    fenced: Sequence[str]
    assembly: Assembly | None = None

    @property
    def work(self) -> Sequence[Work]:
        """What the queue is to be given."""
        return _work(self.tickets, self.assembly)


BeforeCommit = Callable[[Connection, Sequence[Work]], Awaitable[None]]
AfterCommit = Callable[[Committed], None]


async def _enqueue_nothing(_connection: Connection, _work: Sequence[Work]) -> None:
    """No queue shares the transaction."""


def _work(tickets: Sequence[Ticket], assembly: Assembly | None) -> Sequence[Work]:
    return tickets if assembly is None else [*tickets, assembly]


def _tell_nobody(_committed: Committed) -> None:
    """Nobody listens."""


class Store:
    """Reads, and the write transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database
        # A queue that lives in the same database joins the transaction here, so that no commit is without its work.
        self.before_commit: BeforeCommit = _enqueue_nothing
        self._job_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.after_commit: AfterCommit = _tell_nobody

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Connection]:
        """A connection for one operation or loader batch; never held across a wait for anything else."""
        async with self.database.connect(self.database.reader) as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Connection]:
        """A transaction for what does not touch a job's clock, such as the fractions of a running render."""
        async with self.database.connect(self.database.writer) as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def maintenance(self) -> AsyncGenerator[Connection]:
        """A transaction for housekeeping, which may take its time."""
        async with self.database.connect(self.database.maintenance) as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def change(
        self,
        job_id: str,
        viewer: Viewer,
        *,
        path: Sequence[str] = ("input", "jobId"),
        expected_version: int | None = None,
        act: Act = Act.CHANGE,
        deleted: bool = False,
    ) -> AsyncGenerator[Change]:
        """Change a job or its scenes, with `deleted` also a deleted job.

        Raises NotFound when there is no such job or the viewer may not see it, Forbidden when the viewer sees it but
        may not do this `act` to it, Conflict (STALE_VERSION) when `expected_version` is not the job's, and InvalidState
        (ALREADY_DELETED) when the job is deleted; nothing is written then. Raises Unavailable when the database does
        not answer; then it may be unknown what was written.
        """
        if not ids.is_id(job_id, "job"):
            raise no_such_job(path, job_id)
        # Who waits for a row's lock keeps a connection from everybody else: wait for one's turn before.
        job_lock = self._job_locks.setdefault(job_id, asyncio.Lock())
        async with self.database.connect(self.database.writer, job_lock) as connection:
            bump = sa.update(JOB).where(JOB.c.id == job_id).values(version=JOB.c.version + 1)
            job = rows.first_row(JobRow, await connection.execute(bump.returning(*JOB_COLUMNS)))
            if job is None or not may_see(viewer, job):
                raise no_such_job(path, job_id)
            if not may_do(viewer, job, act):
                raise Forbidden("A worker may only report on the scenes of somebody else's job.", path)
            before = job._replace(version=job.version - 1)
            if expected_version is not None and expected_version != before.version:
                raise stale(before.version)
            if job.deleted_at is not None and not deleted:
                raise InvalidState(ErrorCode.ALREADY_DELETED, "The job is deleted.", path)
            change = Change(connection, before, viewer, now())
            yield change
            await shield_to_completion(self._finish(connection, change))

    @asynccontextmanager
    async def create(self, job: JobRow, viewer: Viewer) -> AsyncGenerator[Change]:
        """Change a job into being: as `change`, from a row that nobody has seen yet at version 0."""
        async with self.database.connect(self.database.writer) as connection:
            await connection.execute(sa.insert(JOB).values(job._asdict()))
            change = Change(connection, job, viewer, job.created_at)
            yield change
            await shield_to_completion(self._finish(connection, change))

    async def _finish(self, connection: Connection, change: Change) -> None:
        await change.arrange()
        change.settle()
        await composition.update_assembly(change)
        if not (change.events or change.ticks or change.keep):
            await connection.rollback()
            return
        job = change.job
        await connection.execute(sa.update(JOB).where(JOB.c.id == job.id).values(job._asdict()))
        if change.events:
            await connection.execute(sa.insert(EVENT), [event._asdict() for event in change.events])
            await outbox.put(connection, job, change.events)
        audit_context = change.viewer.audit_context
        if audit_context is not None:
            await audit.write(connection, [audit.entry(change.viewer, audit_context, audit.OK, job.id)])
        await self.before_commit(connection, _work(change.tickets, change.assembly))
        await connection.commit()
        if audit_context is not None:
            audit_context.written = True
        version = job.version if change.events else None
        try:
            done = Committed(job.id, version, change.ticks, change.tickets, change.fenced, change.assembly)
            self.after_commit(done)
        except Exception:
            # It is done and must be acknowledged; what was not told now is found by the reconciler and by resyncs.
            log.exception("a commit was not told", extra={"action": "store.after_commit"})


def now() -> datetime:
    """The instant of a change, in UTC."""
    return datetime.now(UTC)


def stale(current_version: int, path: Sequence[str] = ("input", "expectedVersion")) -> Conflict:
    """The refusal of a change that was made against an older version."""
    return Conflict(
        ErrorCode.STALE_VERSION,
        f"It has changed since: it is at version {current_version} now.",
        path,
        current_version=current_version,
    )
