"""Bugs that a run must detect, put into the server of this run only."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, contextmanager
from enum import StrEnum
from typing import assert_never
from unittest.mock import patch

from models.db.database import Connection, Database
from models.db.transactions import Transaction
from models.writes.change import Change, Work
from models.writes.outbox import Subscription
from models.writes.store import CommitListener, Committed, Store
from subscriptions.job_events import JobEvents, Message

# How long before the commit the hint is sent.
EARLY_SECONDS = 0.02


class Mutant(StrEnum):
    """The names of the bugs."""

    PUBLISH_BEFORE_COMMIT = "publish-before-commit"
    JOIN_AFTER_READ = "join-after-read"


class WithoutHints:
    """A commit listener that passes on everything but the version, whose hint was sent before the commit."""

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
        self._listener.after_commit(committed._replace(version=None))


class EarlyHintStore(Store):
    """Sends the hint before the commit: a reader that follows it finds nothing, and gets no second hint."""

    def __init__(self, database: Database, listener: CommitListener) -> None:
        super().__init__(database, WithoutHints(listener))
        self._early = listener

    async def _finish(
        self, transaction: Transaction, change: Change, subscriptions: Sequence[Subscription] | None
    ) -> None:
        if change.events:
            self._early.after_commit(Committed(change.job.id, change.job.version, (), (), ()))
            await asyncio.sleep(EARLY_SECONDS)
        await super()._finish(transaction, change, subscriptions)


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
            with patch("server.container.Store", EarlyHintStore):
                yield
        case Mutant.JOIN_AFTER_READ:
            alone = patch("server.app.shared_subscriptions", return_value=None)
            with alone, patch("subscriptions.subscription.JobEvents", LateJoin):
                yield
        case _:
            assert_never(mutant)
