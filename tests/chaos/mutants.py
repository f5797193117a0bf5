"""Bugs that a run must detect, put into the server of this run only."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, contextmanager
from enum import StrEnum
from typing import assert_never
from unittest.mock import patch

from models.db.database import Connection, Database
from models.db.prepared import Call
from models.db.transactions import Transaction
from models.reads import queries
from models.writes.audit import AuditContext
from models.writes.change import Change, Work
from models.writes.outbox import Subscription
from models.writes.store import CommitListener, Committed, Store
from subscriptions.job_events import JobEvents, Message

# How many turns of the event loop an early hint is ahead of the commit. Streams take a few to read and send what is
# new, and have done so by then, also on a busy machine, where each turn takes longer.
TURNS_BEFORE_COMMIT = 25


class Mutant(StrEnum):
    """The names of the bugs."""

    PUBLISH_BEFORE_COMMIT = "publish-before-commit"
    HINT_BEFORE_COMMIT = "hint-before-commit"
    JOIN_AFTER_READ = "join-after-read"


class WithoutHints:
    """A commit listener that passes on everything but the version and its events, which it had before the commit."""

    def __init__(self, listener: CommitListener) -> None:
        self._listener = listener

    @property
    def joins_transactions(self) -> bool:
        """Pass on."""
        return self._listener.joins_transactions

    async def before_commit(self, connection: Connection, work: Sequence[Work]) -> None:
        """Pass on."""
        await self._listener.before_commit(connection, work)

    def after_commit(self, committed: Committed) -> None:
        """Pass on without the version."""
        self._listener.after_commit(committed._replace(version=None, events=(), job=None))


class EarlyStore(Store):
    """Sends what processes learn of a change before it commits, and not again after it."""

    def __init__(self, database: Database, listener: CommitListener) -> None:
        super().__init__(database, WithoutHints(listener))
        self._early = listener

    def audited(self, audit_context: AuditContext) -> Store:
        """Return the store for one operation, with the bug as well: it is what every mutation writes with."""
        store = super().audited(audit_context)
        store.__class__ = type(self)
        return store

    async def _finish(
        self, transaction: Transaction, change: Change, subscriptions: Sequence[Subscription] | None
    ) -> None:
        commit = transaction.commit

        async def commit_late(calls: Sequence[Call] = ()) -> None:
            if change.events:
                self._early.after_commit(self._hint(change))
                for _ in range(TURNS_BEFORE_COMMIT):
                    await asyncio.sleep(0)
                    # Where reads wait, as those of the streams do.
                    await queries.job_heads(self.database, [change.job.id])
            await commit(calls)

        with patch.object(transaction, "commit", commit_late):
            await super()._finish(transaction, change, subscriptions)

    def _hint(self, change: Change) -> Committed:
        """Return what other processes learn. A reader that follows it before the commit finds nothing."""
        return Committed(change.job.id, change.job.version, (), (), ())


class EarlyEventsStore(EarlyStore):
    """Sends the events too, as to the streams of this process, which send them without reading the log."""

    def _hint(self, change: Change) -> Committed:
        return super()._hint(change)._replace(events=change.events, job=change.job)


class LateJoin(JobEvents):
    """Reads state and log before it joins the hub: changes in between are not delivered."""

    async def messages(self) -> AsyncGenerator[Message]:
        """Read, then join."""
        async with aclosing(super()._catch_up()) as missed:
            async for message in missed:
                yield message
        async with aclosing(super().messages()) as live:
            async for message in live:
                yield message

    async def _catch_up(self) -> AsyncGenerator[Message]:
        """Yield nothing: `messages` did it."""
        return
        yield


@contextmanager
def patched(mutant: Mutant) -> Generator[None]:
    """Put the bug into the product, in this process."""
    match mutant:
        case Mutant.PUBLISH_BEFORE_COMMIT:
            with patch("server.container.Store", EarlyEventsStore):
                yield
        case Mutant.HINT_BEFORE_COMMIT:
            with patch("server.container.Store", EarlyStore):
                yield
        case Mutant.JOIN_AFTER_READ:
            alone = patch("server.app.shared_subscriptions", return_value=None)
            with alone, patch("subscriptions.subscription.JobEvents", LateJoin):
                yield
        case _:
            assert_never(mutant)
