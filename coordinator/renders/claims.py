"""The writes of a render: claim, submitted, completed, failed. Each is fenced: without the claim it changes nothing."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from coordinator.commands.jobs import closed
from coordinator.commands.scene_progress import Fenced, TakenOver
from coordinator.commands.scheduling import schedule_takes
from coordinator.queue.port import Snooze
from models.db import clock
from models.db.rows import SceneRow
from models.db.tables import SCENE
from models.domain.access import SYSTEM
from models.domain.errors import InvalidState, NotFound
from models.domain.events import EventType
from models.domain.failures import FailureJson, failure_json
from models.domain.instants import ahead
from models.domain.lifecycle import SceneStatus, TakeReason
from models.reads import queries
from models.writes.change import Change, Ticket
from models.writes.new_take import next_take
from models.writes.store import Store
from providers.port import Failure

# A ticket may be handed out this much before its time: the clocks of queue and database differ.
EARLY = timedelta(milliseconds=50)
NO_LEASE = timedelta(0)


class Claim(NamedTuple):
    """The right to render one take. It ends when the scene has another take or another `run`."""

    job_id: str
    scene_id: str
    take_id: str
    take_number: int
    run: int
    provider: str
    provider_id: str | None
    prompt: str
    title: str | None
    duration_seconds: float
    metadata: dict[str, Any]
    attempts_left: int


async def claim(store: Store, ticket: Ticket, worker: str, lease: timedelta = NO_LEASE) -> Claim | None:
    """Claim the ticket's scene, or take it over from a dead worker; None when the ticket is stale.

    Raises Snooze while an automatic retry has to wait, and until the lease of another worker expires. A lease of zero
    means that there is only one process: a scene found PROCESSING is taken over at once.
    """
    async with store.read() as connection:
        scene = await queries.one(queries.scenes_by_id, connection, SYSTEM, ticket.scene_id)
    if scene is None or scene.take_number != ticket.take_number:
        return None
    try:
        if scene.status is SceneStatus.PROCESSING:
            return await _take_over(store, scene, worker, lease)
        return await _start(store, ticket, worker, lease)
    except (NotFound, InvalidState, Fenced):
        return None


async def submitted(store: Store, held: Claim, provider_id: str) -> None:
    """Record the provider's id of the order. Committed before anything else, so that a clip is never bought twice."""
    async with store.change(held.job_id, SYSTEM) as change:
        scene = await _owned(change, held)
        # A retry after an ambiguous commit must not record a second event.
        if scene.provider_id != provider_id:
            await change.write_scene(scene, EventType.SCENE_UPDATED, ["providerId"], take={"provider_id": provider_id})


async def completed(store: Store, held: Claim, files: dict[str, Any]) -> None:
    """Record the result; `files` holds the JSON of output, poster and preview."""
    async with store.change(held.job_id, SYSTEM) as change:
        scene = await _owned(change, held)
        await change.write_scene(
            scene,
            EventType.SCENE_COMPLETED,
            ["status", *files],
            take={"status": SceneStatus.COMPLETED, "finished_at": change.now, **files},
            status=SceneStatus.COMPLETED,
            percentage=100.0,
            high_water=100.0,
            failure=None,
            **closed(change),
        )


async def failed(store: Store, held: Claim, failure: Failure, *, backoff_seconds: float) -> None:
    """Record a failed take. With attempts left, a retryable failure is retried after the backoff."""
    async with store.change(held.job_id, SYSTEM) as change:
        scene = await _owned(change, held)
        stored = failure_json(failure.code, failure.message, retryable=failure.retryable, at=change.now)
        finished = {"status": SceneStatus.FAILED, "failure": stored, "finished_at": change.now}
        if failure.retryable and scene.attempts < scene.max_attempts:
            change.write_take(held.take_id, finished)
            await _retry(change, scene, stored, backoff_seconds)
        else:
            await change.write_scene(
                scene,
                EventType.SCENE_FAILED,
                ["status", "failure"],
                take=finished,
                status=SceneStatus.FAILED,
                failure=stored,
                **closed(change),
            )


async def heartbeat(store: Store, held: Claim, lease: timedelta) -> None:
    """Extend the lease. Raises Fenced when the claim no longer holds."""
    async with store.write() as connection:
        expires_at = await clock.current(connection) + lease
        beat = sa.update(SCENE).where(*_held(held)).values(lease_expires_at=expires_at)
        beats = (await connection.execute(beat)).rowcount
    if beats == 0:
        await check(store, held)
        raise Fenced


async def release(store: Store, held: Claim) -> bool:
    """Release the lease of the take, so that another worker can claim it at once; return whether the claim still held.

    The run number is raised, which fences this worker: it can no longer change the take or extend the lease.
    """
    async with store.write() as connection:
        released = sa.update(SCENE).where(*_held(held)).values(run=held.run + 1, lease_expires_at=None)
        return (await connection.execute(released)).rowcount > 0


async def check(store: Store, held: Claim) -> None:
    """Raise Fenced when the claim no longer holds, TakenOver when another worker goes on with the take."""
    async with store.read() as connection:
        scene = await queries.one(queries.scenes_by_id, connection, SYSTEM, held.scene_id)
    if scene is None:
        raise Fenced
    _check_owned(held, scene)


async def _start(store: Store, ticket: Ticket, worker: str, lease: timedelta) -> Claim | None:
    async with store.change(ticket.job_id, SYSTEM) as change:
        scene = await change.scene(ticket.scene_id)
        if scene.status is not SceneStatus.PENDING or scene.take_number != ticket.take_number or scene.deleted_at:
            raise Fenced
        if scene.queued_at is None:
            raise Fenced
        pause = pause_left(scene, change.now)
        if pause > EARLY:
            raise Snooze(pause.total_seconds())
        scene = await change.write_scene(
            scene,
            EventType.SCENE_STARTED,
            ["status", "attempts", "startedAt"],
            take={"status": SceneStatus.PROCESSING, "started_at": change.now, "prompt": scene.prompt},
            status=SceneStatus.PROCESSING,
            run=scene.run + 1,
            leased_by=worker,
            lease_expires_at=change.now + lease,
            attempts=scene.attempts + 1,
            started_at=change.now,
            queued_at=None,
            next_attempt_at=None,
            failure=None,
        )
    return _claim_of(scene)


async def _take_over(store: Store, scene: SceneRow, worker: str, lease: timedelta) -> Claim | None:
    if scene.leased_by is None:
        # An external worker renders it, and reports by updateScene.
        return None
    held = _claim_of(scene)
    async with store.write() as connection:
        instant = await clock.current(connection)
        leased = ahead(scene.lease_expires_at, instant, lease)
        if leased and scene.leased_by != worker:
            raise Snooze(leased.total_seconds())
        taken = await connection.execute(
            sa.update(SCENE)
            .where(*_held(held))
            .values(run=scene.run + 1, leased_by=worker, lease_expires_at=instant + lease)
        )
    return held._replace(run=scene.run + 1) if taken.rowcount else None


def _held(held: Claim) -> list[sa.ColumnElement[bool]]:
    return [
        SCENE.c.id == held.scene_id,
        SCENE.c.take_number == held.take_number,
        SCENE.c.run == held.run,
        SCENE.c.status == SceneStatus.PROCESSING,
        SCENE.c.deleted_at.is_(None),
    ]


async def _retry(change: Change, scene: SceneRow, failure: FailureJson, backoff_seconds: float) -> None:
    take = next_take(scene, TakeReason.AUTOMATIC_RETRY, scene.prompt)
    await change.write_scene(
        scene,
        EventType.SCENE_RETRYING,
        ["status", "failure", "nextAttemptAt", "providerId"],
        new_take=take,
        status=SceneStatus.PENDING,
        leased_by=None,
        percentage=None,
        frame=None,
        failure=failure,
        next_attempt_at=change.now + timedelta(seconds=backoff_seconds),
    )
    await schedule_takes(change, [(scene.id, take.number)], delay_seconds=backoff_seconds)


async def _owned(change: Change, held: Claim) -> SceneRow:
    scene = await change.scene(held.scene_id)
    _check_owned(held, scene)
    return scene


def _check_owned(held: Claim, scene: SceneRow) -> None:
    if not _owns(held, scene):
        raise TakenOver if _owns(held._replace(run=scene.run), scene) else Fenced


def _owns(held: Claim, scene: SceneRow) -> bool:
    return (
        scene.take_number == held.take_number
        and scene.run == held.run
        and scene.status is SceneStatus.PROCESSING
        and scene.deleted_at is None
    )


def _claim_of(scene: SceneRow) -> Claim:
    return Claim(
        scene.job_id,
        scene.id,
        scene.take_id,
        scene.take_number,
        scene.run,
        scene.provider,
        scene.provider_id,
        scene.prompt,
        scene.title,
        scene.duration_seconds,
        scene.metadata,
        scene.max_attempts - scene.attempts,
    )


def ticket_of(scene: SceneRow, instant: datetime) -> Ticket:
    """Return a new ticket of an open scene."""
    delay_seconds = pause_left(scene, instant).total_seconds()
    return Ticket(scene.provider, scene.job_id, scene.id, scene.take_number, scene.priority, delay_seconds)


def pause_left(scene: SceneRow, instant: datetime) -> timedelta:
    """Return how long the retry of a pending scene still has to wait; never longer than its pause was."""
    if scene.next_attempt_at is None or scene.failure is None:
        return timedelta()
    pause = scene.next_attempt_at - datetime.fromisoformat(scene.failure["occurred_at"])
    return ahead(scene.next_attempt_at, instant, pause)
