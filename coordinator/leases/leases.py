"""Commands on leases. A refused command changes nothing; every use of the token of a lost lease is LEASE_LOST."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from coordinator.commands import scene_progress
from coordinator.commands.inputs import ReportedFailure
from coordinator.commands.scene_progress import Fenced
from coordinator.leases import ends, tokens
from coordinator.leases.claiming import acting
from coordinator.leases.deps import LeaseDeps
from coordinator.leases.inputs import Delivery, Renewal, check_lease_seconds
from coordinator.leases.registry import serves_all
from coordinator.storage.content_types import picture_type
from coordinator.storage.keys import live_frame_key
from models.db import clock
from models.db.database import Connection
from models.db.lease_rows import LeaseRow, WorkerRow
from models.db.lease_tables import TAKE_LEASE
from models.db.rows import SceneRow
from models.db.tables import SCENE
from models.domain import settings as render_settings
from models.domain.access import SYSTEM, Viewer
from models.domain.errors import Invalid, InvalidState, LeaseLost, NotFound
from models.domain.events import EventType
from models.domain.instants import SLACK
from models.domain.leases import LONGEST_LEASE, Outcome, model_name
from models.domain.lifecycle import SceneStatus
from models.domain.rules import CODE_CHARACTERS, MESSAGE_CHARACTERS, TITLE_CHARACTERS, Problems
from models.reads import leases, queries
from models.writes.change import Tick
from models.writes.store import Store
from providers.port import MOST_PICTURE_BYTES

TOKEN_PATH = ("input", "token")


class Held(NamedTuple):
    """A valid lease, or one that was valid until this command, with its worker and its scene."""

    lease: LeaseRow
    worker: WorkerRow
    scene: SceneRow


class Leases:
    """The commands that take the token of a lease."""

    def __init__(self, store: Store, deps: LeaseDeps) -> None:
        self._store = store
        self._deps = deps

    async def renew(self, viewer: Viewer, renewal: Renewal) -> Held:
        """Extend a lease, and record the progress of its take."""
        _check_renewal(renewal)
        held = await self._held(viewer, renewal.token)
        if renewal.provider_id is not None and renewal.provider_id != held.scene.provider_id:
            await self._note_provider_id(held, renewal.provider_id)
        seconds = held.lease.seconds if renewal.lease_seconds is None else renewal.lease_seconds
        async with self._store.write() as connection:
            await _extend(connection, held.lease, seconds)
            await _advance(connection, held.lease, percentage=renewal.percentage)
        if renewal.frame is not None:
            # Stored for a lease that holds: that of a lost one would replace the frame of the next worker.
            await self._deps.claiming.uploads.media.put(live_frame_key(held.lease.take_id), renewal.frame)
            async with self._store.write() as connection:
                await _advance(connection, held.lease, frame=(held.scene.frame or 0) + 1)
        if renewal.percentage is not None or renewal.frame is not None:
            self._deps.bus.publish(Tick(held.lease.job_id, held.lease.scene_id))
        return await self._again(held)

    async def finish(self, viewer: Viewer, delivery: Delivery) -> Held:
        """Submit an uploaded clip for inspection; a repeated call changes nothing.

        Raises Invalid when nothing was uploaded.
        """
        _check_delivery(delivery)
        held = await self._found(viewer, delivery.token)
        if _is_delivered(held):
            return held
        try:
            return await self._deliver(viewer, delivery)
        except LeaseLost:
            # The same call may have been first: a worker repeats one that is not answered in time.
            held = await self._found(viewer, delivery.token)
            if not _is_delivered(held):
                raise
            return held

    async def _deliver(self, viewer: Viewer, delivery: Delivery) -> Held:
        held = await self._held(viewer, delivery.token)
        upload = await self._deps.claiming.uploads.find(held.lease.upload_id or "")
        if upload is None or not await self._deps.claiming.uploads.arrived(upload):
            raise Invalid("Upload the clip to the address of the lease before.", TOKEN_PATH)
        reported: dict[str, Any] = {
            "seed": delivery.seed,
            "settings": _reported_settings(delivery.settings),
            "metrics": None if delivery.metrics is None else dict(delivery.metrics),
        }
        lease = held.lease
        async with self._store.change(lease.job_id, acting(held.worker), scene_id=lease.scene_id) as change:
            scene = await ends.held_scene(change, lease)
            scene = await ends.deliver(
                change, lease, scene, {name: value for name, value in reported.items() if value is not None}
            )
        self._deps.note_free()
        return held._replace(scene=scene)

    async def fail(self, viewer: Viewer, token: str, failure: ReportedFailure) -> Held:
        """End a lease because the take failed; a retryable failure is followed by another take."""
        problems = Problems()
        path = ["input", "failure"]
        problems.text(failure["code"], [*path, "code"], max_characters=CODE_CHARACTERS)
        problems.text(failure["message"], [*path, "message"], max_characters=MESSAGE_CHARACTERS, multiline=True)
        problems.check()
        held = await self._held(viewer, token)
        await self.end_failed(held, failure["code"], failure["message"], failure["retryable"])
        return await self._again(held)

    async def end_failed(self, held: Held, code: str, message: str, retryable: bool) -> None:
        """End a lease because the take failed. Raises LeaseLost."""
        lease = held.lease
        async with self._store.change(lease.job_id, acting(held.worker), scene_id=lease.scene_id) as change:
            scene = await ends.held_scene(change, lease)
            backoff = self._deps.limits.backoff_seconds(scene.max_attempts - scene.attempts)
            await ends.fail(
                change, lease, scene, code=code, message=message, retryable=retryable, backoff_seconds=backoff
            )
        self._deps.note_free()

    async def release(self, viewer: Viewer, token: str, reason: str | None = None) -> Held:
        """End a lease without a result: the take is queued again at once, and its attempt does not count."""
        if reason is not None:
            problems = Problems()
            problems.text(reason, ["input", "reason"], max_characters=MESSAGE_CHARACTERS, multiline=True)
            problems.check()
        held = await self._held(viewer, token)
        async with self._store.change(held.lease.job_id, acting(held.worker), scene_id=held.lease.scene_id) as change:
            scene = await ends.held_scene(change, held.lease)
            scene = await ends.give_back(change, held.lease, scene, Outcome.RELEASED)
        return held._replace(scene=scene)

    async def take_back(self, held: Held) -> None:
        """Return a take to the queue whose worker gets no response: it has disconnected, or the claim failed."""
        try:
            async with self._store.change(
                held.lease.job_id, acting(held.worker), scene_id=held.lease.scene_id
            ) as change:
                scene = await ends.held_scene(change, held.lease)
                await ends.give_back(change, held.lease, scene, Outcome.UNRECEIVED)
        except (LeaseLost, NotFound, InvalidState):
            # It is over already.
            return

    async def _found(self, viewer: Viewer, token: str) -> Held:
        """Return the lease of a token, which may have ended. Raises LeaseLost for any other text."""
        async with self._store.read() as connection:
            lease = await leases.lease(connection, tokens.hash_of(token))
            if lease is None:
                raise LeaseLost(TOKEN_PATH)
            worker = (await leases.workers_by_id(connection, SYSTEM, [lease.worker_id])).get(lease.worker_id)
            scene = await queries.one(queries.scenes_by_id, connection, SYSTEM, lease.scene_id)
        if scene is None or worker is None or not (viewer.sees_all or worker.owner_id == viewer.id):
            raise LeaseLost(TOKEN_PATH)
        if not (serves_all(viewer) or lease.owner_id == viewer.id):
            # The principal is no worker any more, whatever the row of its worker says by now.
            raise LeaseLost(TOKEN_PATH)
        return Held(lease, worker, scene)

    async def _held(self, viewer: Viewer, token: str) -> Held:
        """Return the lease of a token, which was valid when it was read without a lock. Raises LeaseLost."""
        held = await self._found(viewer, token)
        if held.lease.ended_at is not None or not ends.holds(held.lease, held.scene):
            raise LeaseLost(TOKEN_PATH)
        self._deps.registry.record_call(held.worker.id)
        return held

    async def _again(self, held: Held) -> Held:
        """Return the lease with the current scene."""
        async with self._store.read() as connection:
            scene = await queries.one(queries.scenes_by_id, connection, SYSTEM, held.lease.scene_id)
        if scene is None:
            raise NotFound("There is no such scene.", TOKEN_PATH, held.lease.scene_id)
        return held._replace(scene=scene)

    async def _note_provider_id(self, held: Held, provider_id: str) -> None:
        lease = held.lease
        async with self._store.change(lease.job_id, acting(held.worker), scene_id=lease.scene_id) as change:
            scene = await ends.held_scene(change, lease)
            if scene.provider_id != provider_id:
                take = {"provider_id": provider_id}
                await change.write_scene(scene, EventType.SCENE_UPDATED, ["providerId"], take=take)


def _is_delivered(held: Held) -> bool:
    """Whether the lease has ended with a clip that is still that of the current take."""
    return held.lease.outcome == Outcome.DELIVERED and held.scene.take_id == held.lease.take_id


async def _extend(connection: Connection, lease: LeaseRow, seconds: int) -> None:
    """Set the end of a valid lease to so many seconds from now. Raises LeaseLost."""
    instant = await clock.current(connection)
    extended = await connection.execute(
        sa.update(SCENE)
        .where(
            SCENE.c.id == lease.scene_id,
            SCENE.c.take_number == lease.take_number,
            SCENE.c.run == lease.run,
            SCENE.c.leased_by == lease.worker_id,
            SCENE.c.status == SceneStatus.PROCESSING,
            SCENE.c.deleted_at.is_(None),
            SCENE.c.lease_expires_at > instant,
            SCENE.c.lease_expires_at <= instant + LONGEST_LEASE + SLACK,
        )
        .values(lease_expires_at=instant + timedelta(seconds=seconds))
    )
    if not extended.rowcount:
        raise LeaseLost(TOKEN_PATH)
    if seconds != lease.seconds:
        longer = sa.update(TAKE_LEASE).where(TAKE_LEASE.c.token_hash == lease.token_hash).values(seconds=seconds)
        await connection.execute(longer)


async def _advance(
    connection: Connection, lease: LeaseRow, *, percentage: float | None = None, frame: int | None = None
) -> None:
    """Write the progress of the take. Raises LeaseLost."""
    try:
        await scene_progress.advance(
            connection, lease.scene_id, lease.take_number, lease.run, percentage=percentage, frame=frame
        )
    except Fenced:
        raise LeaseLost(TOKEN_PATH) from None


def _reported_settings(settings: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the settings that a worker reported, as they are stored."""
    stored = render_settings.edited(None, settings)
    return stored | {"model": model_name(stored["model"])} if stored and "model" in stored else stored


def _check_renewal(renewal: Renewal) -> None:
    problems = Problems()
    if renewal.provider_id is not None:
        problems.text(renewal.provider_id, ["input", "providerId"], max_characters=TITLE_CHARACTERS)
    if renewal.percentage is not None:
        problems.percentage(renewal.percentage, ["input", "percentage"])
    if renewal.lease_seconds is not None:
        check_lease_seconds(problems, renewal.lease_seconds, ["input", "leaseSeconds"])
    if renewal.frame is not None:
        if len(renewal.frame) > MOST_PICTURE_BYTES:
            problems.add(f"frame is larger than {MOST_PICTURE_BYTES} bytes.", ["input", "frame"])
        elif picture_type(renewal.frame[:12]) != "image/webp":
            problems.add("frame must be a WebP picture.", ["input", "frame"])
    problems.check()


def _check_delivery(delivery: Delivery) -> None:
    problems = Problems()
    if delivery.seed is not None:
        render_settings.check(problems, {"seed": delivery.seed}, ["input"])
    render_settings.check(problems, delivery.settings, ["input", "settings"])
    if delivery.metrics is not None:
        problems.json_object(delivery.metrics, ["input", "metrics"])
    problems.check()
