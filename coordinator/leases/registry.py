"""The workers of this deployment, by the descriptions in their claims."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from coordinator.leases.inputs import Declared
from models.db import clock
from models.db.lease_rows import WORKER_SELECT, WorkerRow
from models.db.lease_tables import TAKE_LEASE, WORKER
from models.domain import ids
from models.domain.access import Viewer
from models.domain.json_values import same_json
from models.domain.leases import GONE_AFTER, KEPT
from models.reads import leases
from models.writes.store import Store

# Workers whose rows this process remembers.
REMEMBERED = 10_000


class _Known(NamedTuple):
    """A worker as this process has last read or written it, and when it has last asked here, in monotonic seconds."""

    row: WorkerRow
    asked_at: float


class Registry:
    """Keeps the rows of workers up to date. That one was seen again is written by `flush`, for all of them together."""

    def __init__(self, store: Store, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._seen = dict[str, None]()

    async def seen(self, viewer: Viewer, declared: Declared) -> WorkerRow:
        """Return the worker with this description, which is written first if it is new."""
        key, instant = (viewer.id, declared.name), self._monotonic()
        known = self._known.get(key)
        # The row of one that was away for long may be gone, or says that it is there since before.
        is_fresh = known is not None and instant - known.asked_at <= GONE_AFTER.total_seconds()
        if known is not None and is_fresh and _is_as(known.row, viewer, declared):
            row = known.row
        else:
            row = await self._written(viewer, declared)
        self._known[key] = _Known(row, instant)
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        self._seen[row.id] = None
        return row

    def record_call(self, worker_id: str) -> None:
        """Note that a worker has called now."""
        self._seen[worker_id] = None

    async def flush(self) -> None:
        """Write the last call of each worker that has called since the last flush.

        Those that have described themselves otherwise to another process are written again when they call here.
        """
        if not self._seen:
            return
        seen, self._seen = list(self._seen), {}
        async with self._store.write() as connection:
            instant = await clock.current(connection)
            # Another process may update the same rows: locks in one order cannot deadlock.
            locked = WORKER_SELECT.where(WORKER.c.id.in_(seen)).order_by(WORKER.c.id).with_for_update()
            rows = [WorkerRow._make(row) for row in await connection.execute(locked)]
            await connection.execute(sa.update(WORKER).where(WORKER.c.id.in_(seen)).values(last_seen_at=instant))
        for row in rows:
            known = self._known.get((row.owner_id, row.name))
            if known is not None and not _says_the_same(known.row, row):
                del self._known[row.owner_id, row.name]

    async def _written(self, viewer: Viewer, declared: Declared) -> WorkerRow:
        try:
            return await self._write(viewer, declared)
        except IntegrityError:
            # Another request of the same worker was first.
            return await self._write(viewer, declared)

    async def _write(self, viewer: Viewer, declared: Declared) -> WorkerRow:
        async with self._store.write() as connection:
            before = await leases.worker_named(connection, viewer.id, declared.name)
            instant = await clock.current(connection)
            row = WorkerRow(
                id=ids.new("worker") if before is None else before.id,
                owner_id=viewer.id,
                name=declared.name,
                labels=dict(declared.labels),
                models=list(declared.models),
                serves_all=serves_all(viewer),
                unhealthy_reason=declared.unhealthy_reason,
                started_at=instant
                if before is None or before.last_seen_at + GONE_AFTER < instant
                else before.started_at,
                last_seen_at=instant,
            )
            if before is None:
                await connection.execute(sa.insert(WORKER).values(row._asdict()))
            else:
                await connection.execute(sa.update(WORKER).where(WORKER.c.id == row.id).values(row._asdict()))
        return row


def serves_all(viewer: Viewer) -> bool:
    """Whether the viewer may lease takes of every owner; others lease those of their own jobs."""
    return viewer.leases_for_all


def _is_as(known: WorkerRow, viewer: Viewer, declared: Declared) -> bool:
    """Whether a row equals a worker's description."""
    return (
        known.unhealthy_reason == declared.unhealthy_reason
        and known.serves_all == serves_all(viewer)
        and known.models == list(declared.models)
        and same_json(known.labels, dict(declared.labels))
    )


def _says_the_same(known: WorkerRow, row: WorkerRow) -> bool:
    return same_json(
        [known.serves_all, known.unhealthy_reason, known.models, known.labels],
        [row.serves_all, row.unhealthy_reason, row.models, row.labels],
    )


async def prune(store: Store, kept: timedelta = KEPT) -> int:
    """Delete workers that were not seen for long and whose leases are deleted with their takes; return their number."""
    async with store.maintenance() as connection:
        oldest = await clock.current(connection) - kept
        leased = sa.select(TAKE_LEASE.c.worker_id).where(TAKE_LEASE.c.worker_id == WORKER.c.id)
        old = sa.delete(WORKER).where(WORKER.c.last_seen_at < oldest, ~leased.correlate(WORKER).exists())
        return (await connection.execute(old)).rowcount
