"""The store: reads, and the only write path of jobs and scenes.

`async with store.change(job_id, viewer) as change:` is that path. On Postgres, its first statement raises the version
of the job, which takes the row lock; on SQLite, it begins with the write lock. So the changes of a job are serialized.
Leaving the block writes the counters, the derived status and the events, and commits. An exception rolls everything
back, and so does a block that recorded no event and has nothing else to keep. What must follow a commit (hints,
dispatch, aborting fenced renders) is done by the commit listener.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import NamedTuple, Protocol
from weakref import WeakValueDictionary

import sqlalchemy as sa

from models.db import clock
from models.db.cancellation import shield_to_completion
from models.db.database import Connection, Database
from models.db.prepared import Call, Prepared
from models.db.rows import EventRow, JobRow
from models.db.tables import AUDIT, JOB, WEBHOOK_DELIVERY
from models.db.transactions import Transaction
from models.domain import ids
from models.domain.access import LEASED, Act, Viewer, may_do, may_see
from models.domain.errors import Conflict, ErrorCode, Forbidden, InvalidState, NotFound, no_such_job
from models.domain.folding import folded_title
from models.writes import audit, composition, lines, outbox, turns
from models.writes.audit import AuditContext, CommittedRows
from models.writes.change import Assembly, Change, Tick, Ticket, Work
from models.writes.change_block import Begun, ChangeBlock
from models.writes.jobs_of_scenes import JobsOfScenes
from models.writes.locking import lock
from models.writes.outbox import Subscription
from models.writes.take_steps import TakeStep

log = logging.getLogger(__name__)

_INSTANT = Prepared(sa.select(sa.func.clock_timestamp(type_=JOB.c.created_at.type)))


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
    # Whether deliveries to webhooks were written.
    deliveries: bool = False
    # The events, which end at `version`, and the job as it was written; none when no event was recorded.
    events: Sequence[EventRow] = ()
    job: JobRow | None = None
    # Whether takes wait for leased workers that did not before.
    leased_work: bool = False
    steps: Sequence[TakeStep] = ()

    @property
    def work(self) -> Sequence[Work]:
        """The work for the queue."""
        return _work(self.tickets, self.assembly)


class CommitListener(Protocol):
    """Follows the commits of a store."""

    @property
    def joins_transactions(self) -> bool:
        """Whether `before_commit` has to be called: it takes a round trip of its own."""
        ...

    async def before_commit(self, connection: Connection, work: Sequence[Work]) -> None:
        """Join the transaction that is about to commit: a queue in the same database enqueues the work here."""
        ...

    def after_commit(self, committed: Committed) -> None:
        """Start what must follow a commit; must not wait. An error is logged, and the change stays acknowledged."""
        ...


class IgnoreCommits:
    """The listener of a store whose commits need no follow-up."""

    joins_transactions = False

    async def before_commit(self, connection: Connection, work: Sequence[Work]) -> None:
        """Do nothing."""

    def after_commit(self, committed: Committed) -> None:
        """Do nothing."""


class Store:
    """Reads, and the write transaction."""

    def __init__(self, database: Database, listener: CommitListener | None = None) -> None:
        self.database = database
        self._listener: CommitListener = listener or IgnoreCommits()
        self._job_turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self.jobs_of_scenes = JobsOfScenes()
        self._audit: AuditContext | None = None

    def audited(self, audit_context: AuditContext) -> "Store":
        """Return this store for one operation: each of its changes writes the operation's audit entry with it."""
        store = object.__new__(Store)
        store.__dict__ |= self.__dict__
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
            yield await transaction.begun()
            await shield_to_completion(transaction.commit())

    @asynccontextmanager
    async def maintenance(self) -> AsyncGenerator[Connection]:
        """A transaction for housekeeping, without a statement timeout."""
        async with self.database.transaction(self.database.maintenance) as transaction:
            yield await transaction.begun()
            await shield_to_completion(transaction.commit())

    def change(
        self,
        job_id: str,
        viewer: Viewer,
        *,
        path: Sequence[str] = ("input", "jobId"),
        expected_version: int | None = None,
        act: Act = Act.CHANGE,
        deleted: bool = False,
        scene_id: str | None = None,
        missing: Callable[[], NotFound] | None = None,
    ) -> AbstractAsyncContextManager[Change]:
        """Change a job or its scenes, with `deleted` also a deleted job. `scene_id` is read in the same statement.

        Raises NotFound (or what `missing` makes) when there is no such job or the viewer may not see it, Forbidden when
        the viewer may see it but not do this `act` to it, Conflict (STALE_VERSION) when `expected_version` is not the
        job's, and InvalidState (ALREADY_DELETED) when the job is deleted; nothing is written then. Raises Unavailable
        when the database does not respond; then it may be unknown whether the change was committed.
        """
        if not ids.is_id(job_id, "job"):
            raise no_such_job(path, job_id)
        # Waiting for the row lock in the database would occupy a connection of the pool: wait in this process before.
        turn = None if self.database.embedded else self._job_turns.setdefault(job_id, asyncio.Semaphore(1))

        async def begin(transaction: Transaction) -> Begun:
            locked = await lock(transaction, job_id, scene_id, on_postgres=not self.database.embedded)
            if locked is None or not may_see(viewer, locked.job):
                raise no_such_job(path, job_id) if missing is None else missing()
            job = locked.job
            if not may_do(viewer, job, act):
                raise Forbidden("A worker may only report on the scenes of another owner's job.", path)
            if expected_version is not None and expected_version != job.version:
                raise stale(job.version)
            if job.deleted_at is not None and not deleted:
                raise InvalidState(ErrorCode.ALREADY_DELETED, "The job is deleted.", path)
            change = Change(transaction, locked.stored, job, viewer, locked.now)
            if locked.scene is not None:
                change.known_scene(locked.scene)
            return change, locked.subscriptions

        return ChangeBlock(self.database.transaction(turn=turn), begin, self._end)

    def create(self, job: JobRow, viewer: Viewer) -> AbstractAsyncContextManager[Change]:
        """Insert a job at version 0 and change it in the same transaction, as `change` does."""

        async def begin(transaction: Transaction) -> Begun:
            instant = clock.now() if self.database.embedded else await _instant(transaction)
            created = job._replace(created_at=instant, updated_at=instant)
            change = Change(transaction, created, created, viewer, instant)
            change.pending.insert(JOB, created._asdict() | {"title_folded": folded_title(created.title)})
            return change, None

        return ChangeBlock(self.database.transaction(), begin, self._end)

    async def _end(
        self, transaction: Transaction, change: Change, subscriptions: Sequence[Subscription] | None
    ) -> None:
        finishing = self._finish(transaction, change, subscriptions)
        if transaction.endures_cancellation and not self._listener.joins_transactions:
            # Without a task of its own, which takes a twentieth of a short change.
            await finishing
        else:
            await shield_to_completion(finishing)

    async def _finish(
        self, transaction: Transaction, change: Change, subscriptions: Sequence[Subscription] | None
    ) -> None:
        change.arrange()
        change.settle()
        await composition.update_assembly(change)
        if not (change.events or change.ticks or change.keep):
            # Leaving the transaction without a commit rolls it back.
            return
        await change.write_job()
        if self._audit is not None:
            entry = audit.entry(change.viewer, self._audit, audit.OK, change.now, change.job.id)
            change.pending.insert(AUDIT, entry._asdict())
        put = await self._put_deliveries(transaction, change, subscriptions)
        work = _work(change.tickets, change.assembly)
        if self._listener.joins_transactions:
            await self._listener.before_commit(await change.connection(), work)
        turns_taken = turns.calls(
            change.before,
            change.job,
            scheduled=change.scheduled,
            claimed=change.claimed,
            returned=change.returned,
        )
        last = [*change.pending.take(), *turns_taken]
        if change.job.provider == LEASED and (change.events or change.keep):
            await transaction.run_together(last)
            await lines.update(transaction, change.job)
            last = []
        try:
            await transaction.commit(last)
        except asyncio.CancelledError:
            if transaction.is_committed:
                self._follow_up(change, deliveries=put)
            raise
        self._follow_up(change, deliveries=put)

    def _follow_up(self, change: Change, *, deliveries: bool) -> None:
        """Do what must follow the commit, also when the caller was cancelled during it."""
        if self._audit is not None:
            self._audit.written = True
            self._audit.rows = CommittedRows(change.job, change.committed_scenes())
        self.jobs_of_scenes.add(change.job.id, [scene_id for scene_id, _ in change.new_scenes])
        self._report(change, deliveries=deliveries)

    async def _put_deliveries(
        self, transaction: Transaction, change: Change, subscriptions: Sequence[Subscription] | None
    ) -> bool:
        """Add the deliveries of the events; return whether there are any."""
        if not change.events:
            return False
        if subscriptions is None:
            # Read with the last writes, so that there is no statement for it alone.
            read = outbox.subscriptions_of(change.job.id, change.job.owner_id)
            found = await transaction.run_together([*change.pending.take(), read])
            subscriptions = outbox.as_subscriptions(found)
        rows = outbox.deliveries(subscriptions, change.events)
        for row in rows:
            change.pending.insert(WEBHOOK_DELIVERY, row)
        return bool(rows)

    def _report(self, change: Change, *, deliveries: bool) -> None:
        version = change.job.version if change.events else None
        committed = Committed(
            change.job.id,
            version,
            change.ticks,
            change.tickets,
            change.fenced,
            change.assembly,
            deliveries,
            change.events or (),
            change.job if change.events else None,
            leased_work=change.scheduled and change.job.provider == LEASED,
            steps=change.steps or (),
        )
        try:
            self._listener.after_commit(committed)
        except Exception:
            # The change is committed and must be acknowledged; reconciler and resyncs make up for what is lost here.
            log.exception("the follow-up of a commit failed", extra={"action": "store.after_commit"})


async def _instant(transaction: Transaction) -> datetime:
    ((found,),) = await transaction.run([Call(_INSTANT)])
    return found[0]


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
