"""The transactional outbox of webhooks: deliveries are written in the transaction of the change."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from models.db.drivers import Row
from models.db.prepared import Call, Prepared
from models.db.rows import EventRow
from models.db.tables import JOB, WEBHOOK
from models.domain import ids, trace
from models.domain.events import DeliveryStatus


class Subscription(NamedTuple):
    """An active webhook, and the types of events that it is for."""

    webhook_id: str
    events: list[str]


_JOB_ID = sa.bindparam("job_id", type_=JOB.c.id.type)
_OWNER_ID = sa.bindparam("owner_id", type_=JOB.c.owner_id.type)


def _active(owner_id: sa.ColumnElement[str]) -> sa.Select[*tuple[Any, ...]]:
    subscribed = sa.or_(
        sa.and_(WEBHOOK.c.owner_id == owner_id, WEBHOOK.c.job_id.is_(None)), WEBHOOK.c.job_id == _JOB_ID
    )
    return (
        sa.select(WEBHOOK.c.id, WEBHOOK.c.events)
        .where(subscribed, WEBHOOK.c.active.is_(True))
        .order_by(WEBHOOK.c.id)
        # The lock that the foreign key takes anyway: deleting a webhook concurrently must not fail the change.
        .with_for_update(read=True, key_share=True)
    )


_OF_JOB = Prepared(_active(sa.select(JOB.c.owner_id).where(JOB.c.id == _JOB_ID).scalar_subquery()))
_OF_OWNER_OR_JOB = Prepared(_active(_OWNER_ID))


def subscriptions_of(job_id: str, owner_id: str | None = None) -> Call:
    """Return the statement that reads and locks the subscriptions to a job, whose owner is known or stored."""
    if owner_id is None:
        return Call(_OF_JOB, [{"job_id": job_id}])
    return Call(_OF_OWNER_OR_JOB, [{"job_id": job_id, "owner_id": owner_id}])


def as_subscriptions(rows: Iterable[Row]) -> list[Subscription]:
    """Return the rows of `subscriptions_of`."""
    return [Subscription._make(row) for row in rows]


def deliveries(subscriptions: Sequence[Subscription], events: Sequence[EventRow]) -> list[dict[str, Any]]:
    """Return the row of a delivery of each of these events for each subscription to it."""
    return [
        new_delivery_row(webhook_id, event)
        for webhook_id, kinds in subscriptions
        for event in events
        if event.type in kinds
    ]


def new_delivery_row(webhook_id: str, event: EventRow) -> dict[str, Any]:
    """Return the row of a delivery that is due and has no attempts. It belongs to the trace of the current task."""
    context = trace.current()
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
        "traceparent": None if context is None else context.header(),
        "occurred_at": event.occurred_at,
        "created_at": event.occurred_at,
    }
