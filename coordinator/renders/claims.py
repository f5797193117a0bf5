"""The writes of a render: claim, submitted, completed, failed. Each is fenced: without the claim it changes nothing."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from coordinator.commands import asking, fitting
from coordinator.commands.asset_outputs import ASSET_ID
from coordinator.commands.catalogue import EVERYTHING, Models
from coordinator.commands.fitting import Asked
from coordinator.commands.jobs import closed
from coordinator.commands.scene_progress import Fenced
from coordinator.queue.port import Snooze
from coordinator.renders import earlier_takes, failed_takes
from coordinator.renders.claim import Claim, check, claim_of, holds, owned
from coordinator.renders.tickets import EARLY, pause_left
from coordinator.telemetry import spans
from models.db import clock
from models.db.rows import SCENE_FIELDS_OF_TAKE, SceneRow, TakeRow
from models.db.tables import SCENE
from models.domain import ids, trace
from models.domain.access import EXTERNAL, SYSTEM
from models.domain.errors import InvalidState, NotFound
from models.domain.events import EventType
from models.domain.failures import failure_json
from models.domain.instants import ahead
from models.domain.lifecycle import SceneStatus
from models.domain.trace import TraceContext
from models.reads import queries, traces
from models.writes.change import Ticket
from models.writes.store import Store
from providers.port import Failure

NO_LEASE = timedelta(0)


async def claim(
    store: Store,
    ticket: Ticket,
    worker: str,
    lease: timedelta,
    scene: SceneRow,
    models: Models = EVERYTHING,
) -> Claim | None:
    """Claim under a ticket the take of `scene`, as it was read, or take it over from a dead worker.

    Returns None when the scene has changed. Raises Snooze while an automatic retry has to wait, and until the lease of
    another worker expires. A lease of zero means that there is only one process: a scene found PROCESSING is taken over
    at once. What is asked of the provider is settled by the first claim of a take, with the models that there are then.
    """
    async with store.read() as connection:
        context = trace.parse(await traces.traceparent(connection, scene.id))
    try:
        if scene.status is SceneStatus.PROCESSING:
            claimed = await _take_over(store, scene, ticket, worker, lease)
        else:
            with trace.within(context and spans.render(context, scene.take_id, scene.run + 1)):
                claimed = await _start(store, scene, ticket, worker, lease, models, context)
    except (NotFound, InvalidState, Fenced):
        return None
    claimed = claimed and claimed._replace(trace=context)
    if claimed is None or claimed.source_url is not None:
        return claimed
    if claimed.provider == EXTERNAL:
        return claimed._replace(source_asset=await _asset_of(store, claimed))
    if claimed.fresh and claimed.take_number == 1:
        return claimed
    takes = await _takes(store, claimed)
    if not claimed.fresh and takes:
        claimed = _resumed(claimed, takes[0], models)
    if claimed.provider_id is not None:
        return claimed
    return claimed._replace(
        unsettled=earlier_takes.unsettled(takes, models.defaults(claimed.provider, claimed.settings))
    )


async def submitted(store: Store, held: Claim, provider_id: str) -> None:
    """Record the provider's id of the order. Committed before anything else, so that a clip is never bought twice."""
    async with store.change(held.job_id, SYSTEM) as change:
        scene = await owned(change, held)
        # A retry after an ambiguous commit must not record a second event.
        if scene.provider_id != provider_id:
            await change.write_scene(scene, EventType.SCENE_UPDATED, ["providerId"], take={"provider_id": provider_id})


async def completed(store: Store, held: Claim, files: dict[str, Any]) -> None:
    """Record the result: the JSON of output, poster and preview, of an original if there is one, and of how it was made
    (`settings` and `made`) if that is known."""
    async with store.change(held.job_id, SYSTEM) as change:
        scene = await owned(change, held)
        await change.write_scene(
            scene,
            EventType.SCENE_COMPLETED,
            ["status", *(name for name in files if name in SCENE_FIELDS_OF_TAKE)],
            take={"status": SceneStatus.COMPLETED, "finished_at": change.now, **files},
            status=SceneStatus.COMPLETED,
            percentage=100.0,
            high_water=100.0,
            failure=None,
            **closed(change),
        )


async def failed(
    store: Store, held: Claim, failure: Failure, *, backoff_seconds: float, files: dict[str, Any] | None = None
) -> None:
    """Record a failed take, with the JSON of files that are kept with it.

    With attempts left, a retryable failure is retried after the backoff.
    """
    # Earlier takes do not change, so they are read outside the transaction.
    repeatable = failure.retryable and (
        failure.retries is None or earlier_takes.retries_left(await _takes(store, held), failure)
    )
    async with store.change(held.job_id, SYSTEM) as change:
        scene = await owned(change, held)
        stored = failure_json(
            failure.code, failure.message, retryable=failure.retryable, at=change.now, unsettled=failure.unsettled
        )
        finished = {"status": SceneStatus.FAILED, "failure": stored, "finished_at": change.now, **(files or {})}
        await failed_takes.end(change, scene, finished, repeatable=repeatable, backoff_seconds=backoff_seconds)


async def heartbeat(store: Store, held: Claim, lease: timedelta) -> None:
    """Extend the lease. Raises Fenced when the claim no longer holds."""
    async with store.write() as connection:
        expires_at = await clock.current(connection) + lease
        beat = sa.update(SCENE).where(*holds(held)).values(lease_expires_at=expires_at)
        beats = (await connection.execute(beat)).rowcount
    if beats == 0:
        await check(store, held)
        raise Fenced


async def release(store: Store, held: Claim) -> bool:
    """Release the lease of the take, so that another worker can claim it at once; return whether the claim still held.

    The run number is raised, which fences this worker: it can no longer change the take or extend the lease.
    """
    async with store.write() as connection:
        released = sa.update(SCENE).where(*holds(held)).values(run=held.run + 1, lease_expires_at=None)
        return (await connection.execute(released)).rowcount > 0


async def _start(
    store: Store,
    found: SceneRow,
    ticket: Ticket,
    worker: str,
    lease: timedelta,
    models: Models,
    context: TraceContext | None,
) -> Claim | None:
    async with store.change(found.job_id, SYSTEM) as change:
        scene = await change.scene(found.id)
        if scene.status is not SceneStatus.PENDING or scene.take_number != found.take_number or scene.deleted_at:
            raise Fenced
        if scene.queued_at is None:
            raise Fenced
        pause = pause_left(scene, change.now)
        if pause > EARLY:
            raise Snooze(pause.total_seconds())
        asked = asking.take_columns(models, change.job, scene)
        scene = await change.write_scene(
            scene,
            EventType.SCENE_STARTED,
            ["status", "attempts", "startedAt"],
            take={"status": SceneStatus.PROCESSING, "started_at": change.now, "prompt": scene.prompt, **asked},
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
        change.pending.update(SCENE, scene.id, {"ticket": ticket.key})
        change.claimed = True
        change.trace_step(scene.id, context)
    claimed = claim_of(scene)._replace(fresh=True, settings=asked["settings"], inputs=asked["inputs"] or ())
    return claimed._replace(refused=_refused(models, claimed))


def _resumed(held: Claim, take: TakeRow, models: Models) -> Claim:
    """Return the claim of a take that was begun before: with what was asked then."""
    held = held._replace(prompt=take.prompt, settings=take.settings, inputs=take.inputs or ())
    # An order that exists is followed to its end, whatever has become of the model.
    return held if held.provider_id is not None else held._replace(refused=_refused(models, held))


def _refused(models: Models, held: Claim) -> Failure | None:
    """Return why the take must not be ordered: its model cannot do it any more, or is gone."""
    asked = Asked(held.settings or {}, held.inputs, held.prompt, held.duration_seconds)
    found = fitting.refusals(models, held.provider, asked, ())
    if not found:
        return None
    places = ", ".join(".".join(each.path or ()) for each in found)
    message = f"{' '.join(each.message for each in found)} ({places} of {found[0].model})"
    # A worker that died may have ordered it before.
    return Failure("NOT_SUPPORTED", message, retryable=False, unsettled=not held.fresh)


async def _take_over(store: Store, scene: SceneRow, ticket: Ticket, worker: str, lease: timedelta) -> Claim | None:
    if scene.leased_by is None or ids.is_id(scene.leased_by, "worker"):
        # An external worker renders it, and reports by updateScene, or one that has leased the take.
        return None
    held = claim_of(scene)
    async with store.write() as connection:
        instant = await clock.current(connection)
        leased = ahead(scene.lease_expires_at, instant, lease)
        if leased and scene.leased_by != worker:
            raise Snooze(leased.total_seconds())
        taken = await connection.execute(
            sa.update(SCENE)
            .where(*holds(held))
            .values(run=scene.run + 1, leased_by=worker, lease_expires_at=instant + lease, ticket=ticket.key)
        )
    return held._replace(run=scene.run + 1) if taken.rowcount else None


async def _asset_of(store: Store, held: Claim) -> str | None:
    """Return the asset that an external worker has named as the clip of the take."""
    async with store.read() as connection:
        take = await queries.one(queries.takes_by_id, connection, SYSTEM, held.take_id)
    return None if take is None else (take.made or {}).get(ASSET_ID)


async def _takes(store: Store, held: Claim) -> list[TakeRow]:
    """Return the latest takes of the scene up to the claimed one, newest first."""
    async with store.read() as connection:
        takes = await queries.takes_of_scenes(connection, [held.scene_id], earlier_takes.LOOK_BACK_TAKES)
    return [take for take in takes[held.scene_id] if take.number <= held.take_number]
