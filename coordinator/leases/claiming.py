"""Claims a waiting take for a worker: compare-and-set on the scene, in one change of its job, with a lease."""

from datetime import timedelta
from typing import NamedTuple

from coordinator.assets.uploads import NewUpload, Uploads
from coordinator.commands.rate_limit import LOCK_BUCKET
from coordinator.leases import tokens
from coordinator.leases.files import LeaseFile
from coordinator.renders.tickets import EARLY, pause_left
from coordinator.telemetry import spans
from models.db import clock
from models.db.cancellation import raise_if_cancelled
from models.db.lease_rows import LeaseRow, WorkerRow
from models.db.lease_tables import TAKE_LEASE
from models.db.prepared import Call
from models.db.rows import SceneRow
from models.domain.access import LEASED, Viewer
from models.domain.errors import InvalidState, NotFound
from models.domain.events import EventType
from models.domain.leases import demand
from models.domain.lifecycle import SceneStatus
from models.domain.settings import folded
from models.reads import leases, lines, traces
from models.reads.lines import Head
from models.writes.change import Change
from models.writes.store import Store

# Workers deliver clips of any container; the bytes show which.
CLIP_TYPE = "application/octet-stream"
# How often a request that lost the race for a take looks for the next one.
RACES = 20


class Granted(NamedTuple):
    """A new lease, with its token and the scene after the claim."""

    token: str
    lease: LeaseRow
    scene: SceneRow
    files: tuple[LeaseFile, ...] = ()


class NoneFree(Exception):
    """The number of leased takes that are rendered has reached the limit of the provider."""


class Lost(Exception):
    """Another claim has taken the take, or the scene has changed."""


class Claiming(NamedTuple):
    """Claims takes. `limit` is that of the provider over all processes, 0 for none; clips have at most `most_bytes`."""

    store: Store
    uploads: Uploads
    most_bytes: int
    limit: int = 0

    async def next(self, worker: WorkerRow, lease_seconds: int) -> Granted | None:
        """Claim the next take in turn that matches the worker; None when there is none.

        Raises NoneFree at the limit of the provider.
        """
        owner_id = None if worker.serves_all else worker.owner_id
        lost: list[str] = []
        for _ in range(RACES):
            async with self.store.read() as connection:
                due = await clock.current(connection) + EARLY
                found = await lines.lines_for(connection, worker.models, worker.labels, owner_id)
                head = await lines.next_head(connection, found, due, owner_id, lost) if found else None
            if head is None:
                return None
            try:
                return await self._claim(head, worker, lease_seconds)
            except (Lost, NotFound, InvalidState) as error:
                raise_if_cancelled(error)
                lost.append(head.scene_id)
        return None

    async def _claim(self, head: Head, worker: WorkerRow, lease_seconds: int) -> Granted:
        token = tokens.new()
        async with self.store.change(head.job_id, acting(worker), scene_id=head.scene_id) as change:
            scene = await change.scene(head.scene_id)
            _check(change, scene, head, worker)
            if self.limit:
                await self._check_limit(change)
            scene = await _started(change, scene, worker, timedelta(seconds=lease_seconds))
            clip = NewUpload(change.job.owner_id, CLIP_TYPE, self.most_bytes)
            upload_id = await self.uploads.open(await change.connection(), clip)
            context = spans.continued(await traces.traceparent(await change.connection(), scene.id))
            change.trace_step(scene.id, context)
            rendering = spans.render(context, scene.take_id, scene.run)
            lease = _lease(change, scene, worker, token, lease_seconds, upload_id)
            lease = lease._replace(traceparent=rendering.header())
            change.pending.insert(TAKE_LEASE, lease._asdict())
            change.claimed = True
        return Granted(token, lease, scene)

    async def _check_limit(self, change: Change) -> None:
        """Raise NoneFree at the limit; concurrent claims are counted one after another."""
        # Lock order: job row, allowance row, turn of the owner.
        bucket = {"to_owner_id": "", "to_purpose": LEASED, "to_full_at": change.now}
        await change.execute(Call(LOCK_BUCKET, [bucket]))
        if await leases.held_takes(await change.connection()) >= self.limit:
            raise NoneFree


def acting(worker: WorkerRow) -> Viewer:
    """Return the principal of a worker with the rights of its lease: the actor of its events."""
    return Viewer(worker.owner_id, worker.name, ("system",))


def _check(change: Change, scene: SceneRow, head: Head, worker: WorkerRow) -> None:
    """Raise Lost unless the take is still queued unchanged and matches the worker."""
    waits = scene.status is SceneStatus.PENDING and scene.queued_at is not None and scene.deleted_at is None
    if not waits or scene.take_number != head.take_number or pause_left(scene, change.now) > EARLY:
        raise Lost
    # It may have been edited since.
    needed = demand((change.job.settings, change.job.metadata), (scene.settings, scene.metadata))
    if not (needed.has_model(worker.models) and needed.has_labels(worker.labels)):
        raise Lost


async def _started(change: Change, scene: SceneRow, worker: WorkerRow, length: timedelta) -> SceneRow:
    # A take that comes from a worker that was lost has used up its attempt already.
    is_first = scene.take_started_at is None
    return await change.write_scene(
        scene,
        EventType.SCENE_STARTED,
        ["status", "attempts", "startedAt"],
        take={
            "status": SceneStatus.PROCESSING,
            "started_at": change.now,
            "prompt": scene.prompt,
            "settings": folded(scene.settings, change.job.settings) or None,
            "inputs": scene.inputs,
        },
        status=SceneStatus.PROCESSING,
        run=scene.run + 1,
        leased_by=worker.id,
        lease_expires_at=change.now + length,
        attempts=scene.attempts + is_first,
        started_at=change.now,
        queued_at=None,
        next_attempt_at=None,
        failure=None,
    )


def _lease(change: Change, scene: SceneRow, worker: WorkerRow, token: str, seconds: int, upload_id: str) -> LeaseRow:
    return LeaseRow(
        token_hash=tokens.hash_of(token),
        worker_id=worker.id,
        owner_id=change.job.owner_id,
        job_id=change.job.id,
        scene_id=scene.id,
        take_id=scene.take_id,
        take_number=scene.take_number,
        run=scene.run,
        seconds=seconds,
        claimed_at=change.now,
        upload_id=upload_id,
        ended_at=None,
        outcome=None,
        delivery=None,
    )
