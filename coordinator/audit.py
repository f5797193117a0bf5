"""Auditing what left no trace in a change: refusals, and what changed nothing. Nobody waits for these to be written."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import sqlalchemy as sa

from models.db.tables import AUDIT
from models.domain import ids
from models.domain.access import Viewer
from models.domain.errors import DomainError, DomainErrors, Unavailable
from models.writes import audit
from models.writes.audit import OK, Entry
from models.writes.store import Store, now

log = logging.getLogger(__name__)

# Whoever is refused faster than the database can write loses the oldest lines, never the server's memory.
ENTRIES_WAITING = 10_000
ENTRIES_A_WRITE = 500


class Audit:
    """Entries that wait to be written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[Entry] = deque(maxlen=ENTRIES_WAITING)
        self._woken = asyncio.Event()

    def note(self, viewer: Viewer, result: str = OK) -> None:
        """How the viewer's deed ended, unless its change has written that."""
        audit_context = viewer.audit_context
        if audit_context is not None and not (audit_context.written and result == OK):
            self._waiting.append(audit.entry(viewer, audit_context, result))
            self._woken.set()

    @asynccontextmanager
    async def of(self, viewer: Viewer, action: str, object_id: str | None) -> AsyncGenerator[None]:
        """What is done in the block is this deed of the viewer's; how it ends is noted."""
        begin(viewer, action, object_id)
        try:
            yield
        except Exception as error:
            self.note(viewer, code_of(error))
            raise
        self.note(viewer)

    async def run(self) -> None:
        """Write what waits, as soon as the database takes it."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write all that waits. Raises Unavailable, and then it still waits."""
        while self._waiting:
            entries = [self._waiting.popleft() for _ in range(min(len(self._waiting), ENTRIES_A_WRITE))]
            try:
                async with self._store.write() as connection:
                    await audit.write(connection, entries)
            except BaseException:
                self._waiting.extendleft(reversed(entries))
                self._woken.set()
                raise

    async def flush_on_shutdown(self) -> None:
        """At the end: what the database takes at once is kept."""
        try:
            await self.flush()
        except Unavailable:
            log.warning("%d entries of the audit log are lost", len(self._waiting), extra={"action": "audit.lost"})


def begin(viewer: Viewer, action: str, object_id: str | None) -> None:
    """What the viewer does from now on is this; only what could be an id is taken for one."""
    if viewer.audit_context is not None:
        viewer.audit_context.begin(action, object_id if object_id is not None and ids.prefix_of(object_id) else None)


def code_of(error: Exception) -> str:
    """The result that an exception stands for."""
    match error:
        case DomainError() | Unavailable():
            return error.code
        case DomainErrors():
            return error.refusals[0].code
        case _:
            return "INTERNAL"


async def prune(store: Store, kept: timedelta) -> int:
    """Delete the entries that are older; how many."""
    async with store.maintenance() as connection:
        return (await connection.execute(sa.delete(AUDIT).where(AUDIT.c.at < now() - kept))).rowcount
