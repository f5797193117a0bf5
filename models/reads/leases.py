"""The SELECTs of leased workers and of their leases."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from models.db.database import Connection
from models.db.lease_rows import LEASE_SELECT, WORKER_SELECT, LeaseRow, WorkerRow
from models.db.lease_tables import TAKE_LEASE, WORKER
from models.db.tables import JOB, SCENE
from models.domain.access import LEASED, Grant, Viewer
from models.domain.ids import is_id
from models.domain.lifecycle import SceneStatus
from models.reads.shapes import Scope, scope_of, within

# More than the workers of one deployment; limits the list of a viewer that sees all of them.
MOST_LISTED = 1_000
_LATEST_FIRST = (WORKER.c.last_seen_at.desc(), WORKER.c.id)


class OpenLease(NamedTuple):
    """A lease that has not ended, with what its scene has become."""

    token_hash: str
    job_id: str
    scene_id: str
    take_number: int
    run: int
    worker_id: str
    claimed_at: datetime
    upload_id: str | None
    scene_take: int
    scene_run: int
    status: SceneStatus
    leased_by: str | None
    expires_at: datetime | None
    deleted_at: datetime | None
    traceparent: str | None

    @property
    def is_held(self) -> bool:
        """Whether the scene is still that of the lease, although its time may be over."""
        return (
            (self.scene_take, self.scene_run, self.leased_by) == (self.take_number, self.run, self.worker_id)
            and self.status is SceneStatus.PROCESSING
            and self.deleted_at is None
        )


def visible(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Return the condition that a worker is visible: the viewer's own, and those that hold or held takes of theirs.

    An access token shows the former with the grant WORK, the latter with READ and for its jobs.
    """
    if viewer.sees_all:
        return sa.true()
    own = WORKER.c.owner_id == viewer.id if viewer.holds(Grant.WORK) else sa.false()
    leases = sa.select(TAKE_LEASE.c.worker_id).where(TAKE_LEASE.c.worker_id == WORKER.c.id)
    match scope_of(viewer):
        case Scope.NONE:
            return own
        case Scope.TOKEN:
            leases = leases.join(JOB, JOB.c.id == TAKE_LEASE.c.job_id).where(within(Scope.TOKEN, viewer.reads_as))
        case _:
            leases = leases.where(TAKE_LEASE.c.owner_id == viewer.id)
    return own | leases.correlate(WORKER).exists()


async def workers(connection: Connection, viewer: Viewer) -> list[WorkerRow]:
    """Return the visible workers, the last seen first."""
    query = WORKER_SELECT.where(visible(viewer)).order_by(*_LATEST_FIRST).limit(MOST_LISTED)
    return [WorkerRow._make(row) for row in await connection.execute(query)]


async def workers_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, WorkerRow]:
    """Return those of these workers that are visible."""
    query = WORKER_SELECT.where(WORKER.c.id.in_([each for each in ids if is_id(each, "worker")]), visible(viewer))
    return {row.id: WorkerRow._make(row) for row in await connection.execute(query)}


async def worker_named(connection: Connection, owner_id: str, name: str) -> WorkerRow | None:
    """Return the worker of a principal with this name."""
    query = WORKER_SELECT.where(WORKER.c.owner_id == owner_id, WORKER.c.name == name)
    row = (await connection.execute(query)).first()
    return None if row is None else WorkerRow._make(row)


async def seen_since(connection: Connection, instant: datetime) -> list[WorkerRow]:
    """Return the workers that were last seen after this instant, or hold a lease."""
    query = WORKER_SELECT.where((WORKER.c.last_seen_at > instant) | WORKER.c.id.in_(_holding()))
    return [WorkerRow._make(row) for row in await connection.execute(query.limit(MOST_LISTED))]


async def shared_workers(connection: Connection) -> list[WorkerRow]:
    """Return the workers that lease takes of every owner, the last seen first."""
    query = WORKER_SELECT.where(WORKER.c.serves_all).order_by(*_LATEST_FIRST).limit(MOST_LISTED)
    return [WorkerRow._make(row) for row in await connection.execute(query)]


async def workers_of_takes(connection: Connection, take_ids: Sequence[str]) -> dict[str, WorkerRow]:
    """Return the worker that leased each of these takes last; absent for takes that none has leased."""
    leases = sa.select(TAKE_LEASE.c.take_id, TAKE_LEASE.c.worker_id).where(TAKE_LEASE.c.take_id.in_(take_ids))
    found = await connection.execute(leases.order_by(TAKE_LEASE.c.run))
    of_take = {str(take_id): str(worker_id) for take_id, worker_id in found}
    query = WORKER_SELECT.where(WORKER.c.id.in_(set(of_take.values())))
    by_id = {row.id: WorkerRow._make(row) for row in await connection.execute(query)}
    return {take: by_id[worker] for take, worker in of_take.items() if worker in by_id}


async def leases_of_workers(connection: Connection, worker_ids: Sequence[str]) -> dict[str, list[LeaseRow]]:
    """Return the leases that each of these workers holds, the oldest first."""
    found: defaultdict[str, list[LeaseRow]] = defaultdict(list)
    query = LEASE_SELECT.where(TAKE_LEASE.c.worker_id.in_(worker_ids), TAKE_LEASE.c.ended_at.is_(None))
    for row in await connection.execute(query.order_by(TAKE_LEASE.c.claimed_at, TAKE_LEASE.c.token_hash)):
        found[row.worker_id].append(LeaseRow._make(row))
    return {worker_id: found[worker_id] for worker_id in worker_ids}


async def lease(connection: Connection, token_hash: str) -> LeaseRow | None:
    """Return the lease with the hash of a token."""
    row = (await connection.execute(LEASE_SELECT.where(TAKE_LEASE.c.token_hash == token_hash))).first()
    return None if row is None else LeaseRow._make(row)


async def delivered(connection: Connection, take_id: str) -> LeaseRow | None:
    """Return the lease under which the clip of a take was delivered."""
    query = LEASE_SELECT.where(TAKE_LEASE.c.take_id == take_id, TAKE_LEASE.c.outcome == "DELIVERED")
    row = (await connection.execute(query.order_by(TAKE_LEASE.c.run.desc()).limit(1))).first()
    return None if row is None else LeaseRow._make(row)


async def open_leases(connection: Connection) -> list[OpenLease]:
    """Return all leases that have not ended."""
    columns = (
        *(TAKE_LEASE.c[name] for name in ("token_hash", "job_id", "scene_id", "take_number", "run", "worker_id")),
        *(TAKE_LEASE.c.claimed_at, TAKE_LEASE.c.upload_id, SCENE.c.take_number, SCENE.c.run, SCENE.c.status),
        *(SCENE.c.leased_by, SCENE.c.lease_expires_at, SCENE.c.deleted_at, TAKE_LEASE.c.traceparent),
    )
    query = (
        sa.select(*columns)
        .select_from(TAKE_LEASE.join(SCENE, SCENE.c.id == TAKE_LEASE.c.scene_id))
        .where(TAKE_LEASE.c.ended_at.is_(None))
    )
    return [OpenLease._make(row) for row in await connection.execute(query)]


async def held_takes(connection: Connection) -> int:
    """Return the number of leased takes that workers render now."""
    query = (
        sa.select(sa.func.count())
        .select_from(TAKE_LEASE.join(SCENE, SCENE.c.id == TAKE_LEASE.c.scene_id))
        .join(JOB, JOB.c.id == SCENE.c.job_id)
        .where(
            TAKE_LEASE.c.ended_at.is_(None),
            SCENE.c.status == SceneStatus.PROCESSING,
            SCENE.c.run == TAKE_LEASE.c.run,
            JOB.c.provider == LEASED,
        )
    )
    return (await connection.execute(query)).scalar_one()


def _holding() -> sa.Select[str]:
    return sa.select(TAKE_LEASE.c.worker_id).where(TAKE_LEASE.c.ended_at.is_(None))
