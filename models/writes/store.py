"""The store: reads, and the only write path of jobs and scenes.

`async with store.change(job_id, viewer) as change:` is that path. Its first statement raises `job.version`, which takes
the row lock on Postgres and the write lock on SQLite, so the changes of one job are serialized. Leaving the block
writes the counters, the derived status and the events, and commits. An exception rolls everything back, and so does a
block that recorded no event and has nothing else to keep. What must follow a commit (hints, dispatch, aborting fenced
renders) is done by the commit listener.
"""

import asyncio
import copy
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol
from weakref import WeakValueDictionary

import sqlalchemy as sa

from models.db import clock
from models.db.cancellation import shield_to_completion
from models.db.database import Connection, Database
from models.db.rows import JOB_COLUMNS, JobRow
from models.db.tables import EVENT, JOB
from models.db.transactions import Transaction
from models.domain import ids
from models.domain.access import Act, Viewer, may_do, may_see
from models.domain.errors import Conflict, ErrorCode, Forbidden, InvalidState, no_such_job
from models.domain.folding import folded_title
from models.writes import audit, composition, outbox
from models.writes.audit import AuditContext
from models.writes.change import Assembly, Change, Tick, Ticket, Work

log = logging.getLogger(__name__)


class Committed(NamedTuple):
    """A committed change, and what has to follow it: hints for the job's watchers, work to dispatch, renders to abort.

    `version` is None when only the progress of running renders was written, which does not raise the job's version.
    """

    job_id: str
    version: int | None
    ticks: Sequence[Tick]
    tickets: Sequence[Ticket]
    fenced: Sequence[str]
    assembly: Assembly | None = None

    @property
    def work(self) -> Sequence[Work]:
        """The work for the queue."""
        return _work(self.tickets, self.assembly)


class CommitListener(Protocol):
    """Follows the commits of a store."""

    async def before_commit(self, connection: Connection, work: Sequence[Work]) -> None:
        """Join the transaction that is about to commit: a queue in the same database enqueues the work here."""
        ...

    def after_commit(self, committed: Committed) -> None:
        """Start what must follow a commit; must not wait. An error is logged, and the change stays acknowledged."""
        ...


class IgnoreCommits:
    """The listener of a store whose commits need no follow-up."""

    async def before_commit(self, connection: Connection, work: Sequence[Work]) -> None:
        """Do nothing."""

    def after_commit(self, committed: Committed) -> None:
        """Do nothing."""


class Store:
    """Reads, and the write transaction."""

    def __init__(self, database: Database, listener: CommitListener | None = None) -> None:
        self.database = database
        self._listener: CommitListener = listener or IgnoreCommits()
        self._job_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._audit: AuditContext | None = None

    def audited(self, audit_context: AuditContext) -> "Store":
        """Return this store for one operation: each of its changes writes the operation's audit entry with it."""
        store = copy.copy(self)
        store._audit = audit_context
        return store

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Connection]:
        """A connection for one operation or loader batch; never held across a wait for anything else."""
        async with self.database.read() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[Connection]:
        """A transaction for rows outside a job's event log, such as the progress of a running render."""
        async with self.database.transaction() as transaction:
            yield transaction.connection
            await transaction.commit()

    @asynccontextmanager
    async def maintenance(self) -> AsyncGenerator[Connection]:
        """A transaction for housekeeping, without a statement timeout."""
        async with self.database.transaction(self.database.maintenance) as transaction:
            yield transaction.connection
            await transaction.commit()

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

        Raises NotFound when there is no such job or the viewer may not see it, Forbidden when the viewer may see it but
        not do this `act` to it, Conflict (STALE_VERSION) when `expected_version` is not the job's, and InvalidState
        (ALREADY_DELETED) when the job is deleted; nothing is written then. Raises Unavailable when the database does
        not respond; then it may be unknown whether the change was committed.
        """
        if not ids.is_id(job_id, "job"):
            raise no_such_job(path, job_id)
        # Waiting for the row lock in the database would occupy a connection of the pool: wait in this process before.
        job_lock = self._job_locks.setdefault(job_id, asyncio.Lock())
        async with self.database.transaction(job_lock=job_lock) as transaction:
            connection = transaction.connection
            bump = sa.update(JOB).where(JOB.c.id == job_id).values(version=JOB.c.version + 1)
            bumped = bump.returning(clock.expression(connection), *JOB_COLUMNS)
            row = (await connection.execute(bumped)).first()
            job = None if row is None else JobRow._make(row[1:])
            if row is None or job is None or not may_see(viewer, job):
                raise no_such_job(path, job_id)
            if not may_do(viewer, job, act):
                raise Forbidden("A worker may only report on the scenes of another owner's job.", path)
            before = job._replace(version=job.version - 1)
            if expected_version is not None and expected_version != before.version:
                raise stale(before.version)
            if job.deleted_at is not None and not deleted:
                raise InvalidState(ErrorCode.ALREADY_DELETED, "The job is deleted.", path)
            change = Change(connection, before, viewer, row[0])
            yield change
            await shield_to_completion(self._finish(transaction, change))

    @asynccontextmanager
    async def create(self, job: JobRow, viewer: Viewer) -> AsyncGenerator[Change]:
        """Insert a job at version 0 and change it in the same transaction, as `change` does."""
        async with self.database.transaction() as transaction:
            connection = transaction.connection
            instant = await clock.current(connection)
            job = job._replace(created_at=instant, updated_at=instant)
            values = job._asdict() | {"title_folded": folded_title(job.title)}
            await connection.execute(sa.insert(JOB).values(values))
            change = Change(connection, job, viewer, instant)
            yield change
            await shield_to_completion(self._finish(transaction, change))

    async def _finish(self, transaction: Transaction, change: Change) -> None:
        connection = transaction.connection
        await change.arrange()
        change.settle()
        await composition.update_assembly(change)
        if not (change.events or change.ticks or change.keep):
            # Leaving the transaction without a commit rolls it back.
            return
        job = change.job
        await connection.execute(sa.update(JOB).where(JOB.c.id == job.id).values(job._asdict()))
        if job.title != change.before.title:
            # After the title: on Postgres, a statement that changes the title sets its folding to null.
            folding = {"title_folded": folded_title(job.title)}
            await connection.execute(sa.update(JOB).where(JOB.c.id == job.id).values(folding))
        if change.events:
            await connection.execute(sa.insert(EVENT), [event._asdict() for event in change.events])
            await outbox.put(connection, job, change.events)
        if self._audit is not None:
            await audit.write(connection, [audit.entry(change.viewer, self._audit, audit.OK, change.now, job.id)])
        await self._listener.before_commit(connection, _work(change.tickets, change.assembly))
        await transaction.commit()
        if self._audit is not None:
            self._audit.written = True
        version = job.version if change.events else None
        committed = Committed(job.id, version, change.ticks, change.tickets, change.fenced, change.assembly)
        try:
            self._listener.after_commit(committed)
        except Exception:
            # The change is committed and must be acknowledged; reconciler and resyncs make up for what is lost here.
            log.exception("the follow-up of a commit failed", extra={"action": "store.after_commit"})


def stale(current_version: int, path: Sequence[str] = ("input", "expectedVersion")) -> Conflict:
    """Return the refusal of a change that was made against an older version."""
    return Conflict(
        ErrorCode.STALE_VERSION,
        f"It has changed since: it is at version {current_version} now.",
        path,
        current_version=current_version,
    )


def _work(tickets: Sequence[Ticket], assembly: Assembly | None) -> Sequence[Work]:
    return tickets if assembly is None else [*tickets, assembly]
