"""Chooses the take that a ticket renders: owners take turns, and so do the jobs of each owner.

A ticket is the permission to render one take of a provider. There are at least as many as waiting takes: a ticket whose
own take was claimed under another one serves a take that still waits. One that is left over is dropped.
"""

from datetime import datetime, timedelta

from coordinator.commands.catalogue import EVERYTHING, Models
from coordinator.queue.port import Snooze
from coordinator.renders import claims
from coordinator.renders.claim import Claim
from coordinator.renders.tickets import EARLY, pause_left
from models.db import clock
from models.db.rows import SceneRow
from models.domain.access import LEASED, SYSTEM
from models.domain.instants import ahead
from models.domain.lifecycle import SceneStatus
from models.reads import queries, turns
from models.writes.change import Ticket
from models.writes.store import Store

# How often a worker that lost the race for a take looks for the next one, and how long its ticket waits then.
RACES = 20
LOST_RACES_SECONDS = 0.1


async def claim(
    store: Store, ticket: Ticket, worker: str, lease: timedelta, models: Models = EVERYTHING
) -> Claim | None:
    """Claim a take under a ticket; None when no take waits.

    A ticket that is handed out again goes on with the render that was begun under it, if that is not finished. Raises
    Snooze while another worker has that render, and while the retry that the ticket was made for has to wait.
    """
    async with store.read() as connection:
        instant = await clock.current(connection)
        begun_id = await turns.rendered_under(connection, ticket.key)
        ids = [ticket.scene_id] if begun_id is None else [begun_id, ticket.scene_id]
        scenes = await queries.scenes_by_id(connection, SYSTEM, ids)
    own = scenes.get(ticket.scene_id)
    if begun_id is not None and begun_id in scenes:
        return await claims.claim(store, ticket, worker, lease, scenes[begun_id], models)
    if own is not None and own.take_number == ticket.take_number:
        if _is_abandoned(own, worker, instant, lease):
            claimed = await claims.claim(store, ticket, worker, lease, own, models)
            if claimed is not None:
                return claimed
        if _waits(own) and (pause := pause_left(own, instant)) > EARLY:
            raise Snooze(pause.total_seconds())
    return await _next(store, ticket, worker, lease, own, models)


async def _next(
    store: Store, ticket: Ticket, worker: str, lease: timedelta, own: SceneRow | None, models: Models
) -> Claim | None:
    provider = ticket.provider if own is None else own.provider
    if provider == LEASED:
        # Workers claim these over the API; a ticket is for a clip that one has delivered.
        return None
    for _ in range(RACES):
        async with store.read() as connection:
            due = await clock.current(connection) + EARLY
            scene_id = await turns.next_scene(connection, provider, due)
            scene = None if scene_id is None else await queries.one(queries.scenes_by_id, connection, SYSTEM, scene_id)
        if scene_id is None:
            # Its turn is not noted, or the clock went back behind the pause of its retry.
            if own is None or own.take_number != ticket.take_number or not _waits(own):
                return None
            return await claims.claim(store, ticket, worker, lease, own, models)
        if scene is not None and _waits(scene):
            claimed = await claims.claim(store, ticket, worker, lease, scene, models)
            if claimed is not None:
                return claimed
    raise Snooze(LOST_RACES_SECONDS)


def _waits(scene: SceneRow) -> bool:
    return scene.status is SceneStatus.PENDING and scene.queued_at is not None and scene.deleted_at is None


def _is_abandoned(scene: SceneRow, worker: str, instant: datetime, lease: timedelta) -> bool:
    """Whether the scene is rendered by another worker that has lost its lease."""
    others = scene.leased_by is not None and scene.leased_by != worker
    leased = ahead(scene.lease_expires_at, instant, lease)
    return scene.status is SceneStatus.PROCESSING and others and not leased
