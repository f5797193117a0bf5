"""The transactional outbox of webhooks: deliveries are written in the transaction of the change."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from models.db.database import Connection
from models.db.rows import EventRow, JobRow
from models.db.tables import WEBHOOK, WEBHOOK_DELIVERY
from models.domain import ids
from models.domain.events import DeliveryStatus


async def put(connection: Connection, job: JobRow, events: Sequence[EventRow]) -> None:
    """Write a delivery of each of these events for each active webhook that subscribes to it."""
    subscribed = sa.or_(
        sa.and_(WEBHOOK.c.owner_id == job.owner_id, WEBHOOK.c.job_id.is_(None)),
        WEBHOOK.c.job_id == job.id,
    )
    # The lock that the foreign key takes anyway: deleting a webhook concurrently must not fail the change.
    query = (
        sa.select(WEBHOOK.c.id, WEBHOOK.c.events).where(subscribed, WEBHOOK.c.active.is_(True)).order_by(WEBHOOK.c.id)
    )
    found = (await connection.execute(query.with_for_update(read=True, key_share=True))).all()
    deliveries = [
        new_delivery_row(webhook_id, event) for webhook_id, kinds in found for event in events if event.type in kinds
    ]
    if deliveries:
        await connection.execute(sa.insert(WEBHOOK_DELIVERY), deliveries)


def new_delivery_row(webhook_id: str, event: EventRow) -> dict[str, Any]:
    """Return the row of a delivery that is due and has no attempts."""
    return {
        "id": ids.new("delivery"),
        "webhook_id": webhook_id,
        "job_id": event.job_id,
        "scene_id": event.scene_id,
        "version": event.version,
        "event_type": event.type,
        "actor_id": event.actor_id,
        "changed": event.changed,
        "status": DeliveryStatus.PENDING,
        "attempts": [],
        "failures": 0,
        "next_attempt_at": event.occurred_at,
        "occurred_at": event.occurred_at,
        "created_at": event.occurred_at,
    }
