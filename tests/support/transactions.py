"""Observe and disturb the write transactions of a Domain."""

import asyncio
from collections.abc import Sequence

from models.db.database import Connection
from models.domain.access import LOCAL
from models.writes.change import Work
from tests.support.domain import Domain


class Broken(Exception):
    """The error that these tests inject."""


class CommitGate:
    """Holds a transaction before its commit until it is opened, and then lets it commit or raises Broken."""

    def __init__(self, env: Domain, *, breaks: bool = False) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._breaks = breaks
        env.commits.before = self._wait

    async def _wait(self, _connection: Connection, _tickets: Sequence[Work]) -> None:
        self.reached.set()
        await self.open.wait()
        if self._breaks:
            raise Broken


def committed_version(env: Domain, job_id: str) -> int:
    """Return the committed version, read by another connection."""
    return env.external.rows("SELECT version FROM job WHERE id = :id", id=job_id)[0][0]


async def rename(env: Domain, job_id: str, title: str = "Another title") -> None:
    """Make one change to a job."""
    await env.jobs.update(LOCAL, job_id, {"title": title})
