"""The ends of leases: writes the scene, its take and the lease in one change of the job."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from coordinator.assets import uploads
from coordinator.commands.adoption import PERCENTAGE
from coordinator.renders import failed_takes
from models.db.lease_rows import LeaseRow
from models.db.lease_tables import TAKE_LEASE
from models.db.prepared import Call, Prepared
from models.db.rows import SceneRow
from models.db.tables import TAKE
from models.domain import trace
from models.domain.access import LEASED
from models.domain.errors import LeaseLost
from models.domain.events import EventType
from models.domain.failures import failure_json
from models.domain.leases import WORKER_LOST, Outcome, is_over
from models.domain.lifecycle import SceneStatus
from models.reads.leases import OpenLease
from models.writes.change import Change, Ticket

# Who holds the scene of a delivered clip until a process of ours looks at it; that lease is over at once.
DELIVERED = "delivered"

_END = Prepared(
    sa.update(TAKE_LEASE)
    .where(TAKE_LEASE.c.token_hash == sa.bindparam("of_lease", type_=TAKE_LEASE.c.token_hash.type))
    .values(
        ended_at=sa.bindparam("at", type_=TAKE_LEASE.c.ended_at.type),
        outcome=sa.bindparam("as", type_=TAKE_LEASE.c.outcome.type),
        delivery=sa.bindparam("what", type_=TAKE_LEASE.c.delivery.type),
    )
)
_CREATED = Prepared(sa.select(TAKE.c.created_at).where(TAKE.c.id == sa.bindparam("of_take", type_=TAKE.c.id.type)))
_LOST = Prepared(
    sa.select(sa.func.count().label("leases")).where(
        TAKE_LEASE.c.take_id == sa.bindparam("of_take", type_=TAKE_LEASE.c.take_id.type),
        TAKE_LEASE.c.outcome == Outcome.LOST.value,
    )
)


async def held_scene(change: Change, lease: LeaseRow | OpenLease) -> SceneRow:
    """Return the scene of a valid lease. Raises LeaseLost."""
    scene = await change.scene(lease.scene_id)
    if not holds(lease, scene) or is_over(scene.lease_expires_at, change.now):
        raise LeaseLost
    return scene


def holds(lease: LeaseRow | OpenLease, scene: SceneRow) -> bool:
    """Whether the scene still belongs to the lease, which may have expired."""
    return (
        (scene.take_number, scene.run, scene.leased_by) == (lease.take_number, lease.run, lease.worker_id)
        and scene.status is SceneStatus.PROCESSING
        and scene.deleted_at is None
    )


async def deliver(change: Change, lease: LeaseRow, scene: SceneRow, delivery: dict[str, Any]) -> SceneRow:
    """Hand the scene over to our own processes, which look at its clip: as one whose worker's lease is over."""
    percentage = max(PERCENTAGE, scene.percentage or 0.0)
    scene = await change.write_scene(
        scene,
        EventType.SCENE_UPDATED,
        ["percentage"],
        percentage=percentage,
        high_water=max(percentage, scene.high_water),
        run=scene.run + 1,
        leased_by=DELIVERED,
        lease_expires_at=change.now,
    )
    await _note(change, lease.token_hash, Outcome.DELIVERED, delivery)
    _trace(change, lease)
    change.tickets.append(Ticket(LEASED, scene.job_id, scene.id, scene.take_number))
    return scene


async def fail(
    change: Change,
    lease: LeaseRow | OpenLease,
    scene: SceneRow,
    *,
    code: str,
    message: str,
    retryable: bool,
    backoff_seconds: float,
) -> None:
    """Record that the take failed; with attempts left, one that is retryable is followed by another take."""
    failure = failure_json(code, message, retryable=retryable, at=change.now)
    take = {"status": SceneStatus.FAILED, "failure": failure, "finished_at": change.now}
    await _close(change, lease, Outcome.FAILED)
    await failed_takes.end(change, scene, take, repeatable=retryable, backoff_seconds=backoff_seconds)
    _trace(change, lease)


async def lose(change: Change, lease: LeaseRow | OpenLease, scene: SceneRow, most_workers: int) -> None:
    """Queue the take of a lost worker again; it fails when the take has lost `most_workers` workers.

    A take that brings down each worker that renders it would do so for ever.
    """
    ((before,),) = await change.read(Call(_LOST, [{"of_take": scene.take_id}]))
    # The same worker counts each time.
    workers = before + 1
    if workers < most_workers:
        await give_back(change, lease, scene, Outcome.LOST)
        return
    await _close(change, lease, Outcome.LOST)
    message = (
        f"The worker of this take was lost {workers} times. Look at the logs of the workers, then change the scene or "
        "regenerate it."
    )
    failure = failure_json(WORKER_LOST, message, retryable=False, at=change.now)
    take = {"status": SceneStatus.FAILED, "failure": failure, "finished_at": change.now}
    await failed_takes.end(change, scene, take, repeatable=False, backoff_seconds=0.0)
    _trace(change, lease)


async def give_back(change: Change, lease: LeaseRow | OpenLease, scene: SceneRow, outcome: Outcome) -> SceneRow:
    """Queue the take again, in front of all others: it was released, or its worker was lost.

    One that is released has used up no attempt, and the id that its worker gave it is forgotten. After a loss, the next
    worker may go on by that id.
    """
    released = outcome is Outcome.RELEASED
    ((created_at,),) = await change.read(Call(_CREATED, [{"of_take": scene.take_id}]))
    take: dict[str, Any] = {"status": SceneStatus.PENDING}
    if released:
        take |= {"started_at": None, "provider_id": None}
    scene = await change.write_scene(
        scene,
        EventType.SCENE_UPDATED,
        ["status", "percentage", *(["attempts", "startedAt", "providerId"] if released else [])],
        take=take,
        status=SceneStatus.PENDING,
        run=scene.run + 1,
        leased_by=None,
        lease_expires_at=None,
        percentage=None,
        frame=None,
        attempts=scene.attempts - released,
        started_at=None if released and scene.attempts == 1 else scene.started_at,
        queued_at=created_at,
    )
    change.scheduled = change.returned = True
    await _close(change, lease, outcome)
    _trace(change, lease)
    return scene


def _trace(change: Change, lease: LeaseRow | OpenLease) -> None:
    """End the span of the worker's render with this change."""
    change.trace_step(lease.scene_id, trace.parse(lease.traceparent))


async def _close(change: Change, lease: LeaseRow | OpenLease, outcome: Outcome) -> None:
    """Record the outcome of a lease without a clip; its upload is deleted."""
    await _note(change, lease.token_hash, outcome)
    if lease.upload_id is not None:
        await uploads.close(await change.connection(), [lease.upload_id])


async def _note(change: Change, token_hash: str, outcome: Outcome, delivery: dict[str, Any] | None = None) -> None:
    ended = {"of_lease": token_hash, "at": change.now, "as": outcome, "what": delivery}
    await change.execute(Call(_END, [ended]))


def is_late(claimed_at: datetime, now: datetime, deadline: timedelta) -> bool:
    """Whether a worker has held the take for longer than the deadline of a render."""
    return claimed_at + deadline <= now
