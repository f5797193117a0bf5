"""Audits mutations that no change has recorded: those refused, and those that changed nothing."""

import asyncio
import logging
from collections import deque
from datetime import timedelta
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from models.db import clock
from models.db.cancellation import shield_to_completion
from models.db.tables import AUDIT
from models.domain import grants
from models.domain.access import Viewer
from models.domain.errors import DomainError, DomainErrors, Unavailable
from models.writes import audit
from models.writes.audit import OK, AuditContext, Entry
from models.writes.store import Store

log = logging.getLogger(__name__)

# Limits memory: when refusals arrive faster than the database can write them, the oldest entries are dropped.
MAX_PENDING_ENTRIES = 10_000
ENTRIES_PER_WRITE = 500


class AuditedMutation:
    """The block of one mutation. Set its `result` when the mutation is refused without an exception.

    Not a generator, which every mutation would make and register at the event loop.
    """

    __slots__ = ("_action", "_context", "_log", "_object_id", "_viewer", "result")

    def __init__(
        self, audit_log: "AuditLog", viewer: Viewer, audit_context: AuditContext, action: str, object_id: str | None
    ) -> None:
        self._log = audit_log
        self._viewer = viewer
        self._context = audit_context
        self._action = action
        self._object_id = object_id
        self.result = OK

    async def __aenter__(self) -> Self:
        self._context.begin(self._action, self._object_id)
        try:
            grants.check(self._viewer, self._action)
        except Exception as error:
            self._log.append(self._viewer, self._context, code_of(error))
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._log.append(self._viewer, self._context, self.result)
        elif isinstance(error, Exception):
            self._log.append(self._viewer, self._context, code_of(error))


class AuditLog:
    """The entries that are waiting to be written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: deque[Entry] = deque(maxlen=MAX_PENDING_ENTRIES)
        self._woken = asyncio.Event()

    def mutation(
        self, viewer: Viewer, audit_context: AuditContext, action: str, object_id: str | None
    ) -> AuditedMutation:
        """Audit the mutation in this block: successful, refused or failed. A change in it writes an OK by itself.

        The block raises Forbidden when the viewer has an access token without the grant for it.
        """
        return AuditedMutation(self, viewer, audit_context, action, object_id)

    async def run(self) -> None:
        """Write pending entries as soon as the database accepts them."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write all pending entries. Raises Unavailable, and then they stay pending."""
        while self._pending:
            # Canceled during its commit, a write may have happened: repeated at shutdown, its ids would exist already.
            await shield_to_completion(self._write_pending())

    async def flush_on_shutdown(self) -> None:
        """Make one attempt to write the pending entries; those that cannot be written are lost."""
        try:
            await self.flush()
        except Unavailable:
            log.warning("%d audit entries are lost", len(self._pending), extra={"action": "audit.lost"})

    async def _write_pending(self) -> None:
        entries = [self._pending.popleft() for _ in range(min(len(self._pending), ENTRIES_PER_WRITE))]
        try:
            async with self._store.write() as connection:
                latest = await clock.current(connection)
                # The clock of this process may be ahead of the database's.
                await audit.write(connection, [each._replace(at=min(each.at, latest)) for each in entries])
        except BaseException:
            self._pending.extendleft(reversed(entries))
            self._woken.set()
            raise

    def append(self, viewer: Viewer, audit_context: AuditContext, result: str) -> None:
        """Note the result of a mutation, to be written soon, unless its change has written it."""
        if result != OK:
            audit_context.refusals.append(result)
        if not (audit_context.written and result == OK):
            self._pending.append(audit.entry(viewer, audit_context, result, clock.now()))
            self._woken.set()


def code_of(error: Exception) -> str:
    """Return the result code of an exception."""
    match error:
        case DomainError() | Unavailable():
            return error.code
        case DomainErrors():
            return error.refusals[0].code
        case _:
            return "INTERNAL"


async def prune(store: Store, kept: timedelta) -> int:
    """Delete the entries older than `kept`; return their number."""
    async with store.maintenance() as connection:
        oldest = await clock.current(connection) - kept
        return (await connection.execute(sa.delete(AUDIT).where(AUDIT.c.at < oldest))).rowcount
