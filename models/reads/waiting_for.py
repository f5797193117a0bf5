"""The reasons why a take of the provider `leased` stays in the queue."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from models.db import clock
from models.db.database import Connection
from models.db.lease_rows import WorkerRow
from models.db.tables import JOB, SCENE
from models.domain.access import LEASED
from models.domain.leases import GONE_AFTER, Demand, demand
from models.reads import leases
from models.reads.lines import waiting

NO_WORKER = "no worker is connected"
NO_MODEL = "no worker has the model"
NO_LABELS = "no worker has the labels"
UNHEALTHY = "all workers that fit are unhealthy"


async def waiting_for(connection: Connection, scene_ids: Sequence[str]) -> dict[str, str]:
    """Return why each scene stays in the queue; absent for those that do not wait, or that a worker will take."""
    columns = (JOB.c.owner_id, JOB.c.settings, JOB.c["metadata"], SCENE.c.id, SCENE.c.settings, SCENE.c["metadata"])
    query = (
        sa.select(*columns)
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
        .where(SCENE.c.id.in_(scene_ids), JOB.c.provider == LEASED, JOB.c.deleted_at.is_(None), *waiting(SCENE))
    )
    rows = (await connection.execute(query)).all()
    workers = await leases.seen_since(connection, await clock.current(connection) - GONE_AFTER) if rows else []
    found: dict[str, str] = {}
    for owner_id, of_job, job_metadata, scene_id, own, metadata in rows:
        reason = why(demand((of_job, job_metadata), (own, metadata)), owner_id, workers)
        if reason is not None:
            found[scene_id] = reason
    return found


def why(required: Demand, owner_id: str, workers: Iterable[WorkerRow]) -> str | None:
    """Return why none of these workers takes a waiting take of an owner; None when one will."""
    connected = [worker for worker in workers if worker.serves_all or worker.owner_id == owner_id]
    if not connected:
        return NO_WORKER
    having = [worker for worker in connected if required.has_model(worker.models)]
    if not having:
        return NO_MODEL
    fit = [worker for worker in having if required.has_labels(worker.labels)]
    if not fit:
        return NO_LABELS
    return None if any(worker.unhealthy_reason is None for worker in fit) else UNHEALTHY
