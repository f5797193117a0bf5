"""Two bugs of the kind that the run is there to find, as changes to the product that only this run makes."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from enum import StrEnum
from typing import assert_never
from unittest.mock import patch

from models.db.database import Connection
from models.writes.change import Change
from models.writes.store import Committed, Store
from subscriptions.job_events import JobEvents, Message

# For so long a transaction is told of before it is committed.
EARLY_SECONDS = 0.02


class Bug(StrEnum):
    """By name."""

    PUBLISH_BEFORE_COMMIT = "publish-before-commit"
    JOIN_AFTER_READ = "join-after-read"


class HastyStore(Store):
    """Hints before it commits: whoever is hinted reads, finds nothing, and is not hinted again."""

    async def _finish(self, connection: Connection, change: Change) -> None:
        after_commit = self.after_commit
        if change.events:
            after_commit(Committed(change.job.id, change.job.version, (), (), ()))
            await asyncio.sleep(EARLY_SECONDS)
            # There is one writer: nobody else's change commits meanwhile.
            self.after_commit = lambda committed: after_commit(committed._replace(version=None))
        try:
            await super()._finish(connection, change)
        finally:
            self.after_commit = after_commit


class ReadsFirst(JobEvents):
    """Reads the state and the log first and joins afterwards: what happens in between is told to nobody."""

    async def messages(self) -> AsyncGenerator[Message]:
        """Read, then join."""
        async with aclosing(super()._catch_up()) as missed:
            async for message in missed:
                yield message
        async with aclosing(super().messages()) as live:
            async for message in live:
                yield message

    async def _catch_up(self) -> AsyncGenerator[Message]:
        """Was done before."""
        return
        yield


@contextmanager
def seeded(bug: Bug) -> Generator[None]:
    """Put the bug into the server of this process."""
    match bug:
        case Bug.PUBLISH_BEFORE_COMMIT:
            with patch("server.container.Store", HastyStore):
                yield
        case Bug.JOIN_AFTER_READ:
            with patch("subscriptions.subscription.JobEvents", ReadsFirst):
                yield
        case _:
            assert_never(bug)
