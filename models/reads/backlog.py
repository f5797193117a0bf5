"""How much work waits, for metrics. Each SELECT reads a bounded number of rows, or one row of each open job."""

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from models.db.database import Connection
from models.db.lease_tables import TAKE_LEASE
from models.db.tables import JOB, SCENE, WEBHOOK_DELIVERY
from models.domain.events import DeliveryStatus
from models.domain.lifecycle import JobStatus
from models.reads.queries import waits_for_worker

# The rows that are looked at for the age of the oldest, and for the number of deliveries, which is not greater then.
MOST_ROWS = 10_000


class Backlog(NamedTuple):
    """Takes that wait and that are rendered, by provider; since when the first one waits, and what else is open."""

    waiting: dict[str, int]
    rendering: dict[str, int]
    oldest: dict[str, datetime]
    leases: int
    deliveries: int
    oldest_delivery: datetime | None


async def backlog(connection: Connection) -> Backlog:
    """Return what waits now."""
    open_jobs = [tuple(row) for row in await connection.execute(_OPEN_JOBS)]
    oldest = [tuple(row) for row in await connection.execute(_OLDEST)]
    ((deliveries, oldest_delivery),) = await connection.execute(_DELIVERIES)
    return Backlog(
        {provider: int(waiting) for provider, waiting, _ in open_jobs},
        {provider: int(rendering) for provider, _, rendering in open_jobs},
        dict(oldest),
        (await connection.execute(_LEASES)).scalar_one(),
        deliveries,
        oldest_delivery,
    )


def _oldest() -> sa.Select[*tuple[Any, ...]]:
    some = (
        sa.select(JOB.c.provider, SCENE.c.queued_at)
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
        .where(waits_for_worker())
        # The first takes of each owner have the highest priority. In the order of an index, from its end.
        .order_by(SCENE.c.status.desc(), SCENE.c.priority.desc(), SCENE.c.queued_at.desc())
        .limit(MOST_ROWS)
        .subquery()
    )
    return sa.select(some.c.provider, sa.func.min(some.c.queued_at)).group_by(some.c.provider)


def _deliveries() -> sa.Select[*tuple[Any, ...]]:
    unfinished = (DeliveryStatus.PENDING, DeliveryStatus.FAILED)
    some = (
        sa.select(WEBHOOK_DELIVERY.c.occurred_at)
        .where(WEBHOOK_DELIVERY.c.status.in_(unfinished))
        .limit(MOST_ROWS)
        .subquery()
    )
    return sa.select(sa.func.count(), sa.func.min(some.c.occurred_at))


_OPEN_JOBS = (
    sa.select(JOB.c.provider, sa.func.sum(JOB.c.pending), sa.func.sum(JOB.c.processing))
    .where(JOB.c.status == JobStatus.PROCESSING, JOB.c.deleted_at.is_(None))
    .group_by(JOB.c.provider)
)
_OLDEST = _oldest()
_LEASES = sa.select(sa.func.count()).select_from(TAKE_LEASE).where(TAKE_LEASE.c.ended_at.is_(None))
_DELIVERIES = _deliveries()
