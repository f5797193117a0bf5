"""Every SELECT of webhooks and of what they are told, scoped by the viewer like those of jobs."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from models.db import rows
from models.db.database import Connection
from models.db.rows import DELIVERY_COLUMNS, WEBHOOK_COLUMNS, DeliveryRow, WebhookRow
from models.db.tables import WEBHOOK, WEBHOOK_DELIVERY
from models.domain.access import Viewer
from models.domain.events import DeliveryStatus
from models.domain.ids import is_id
from models.reads.queries import Condition

# More than any owner has; who sees everybody's is shown so many.
MOST_LISTED = 1_000


class DeliveryQuery(NamedTuple):
    """Which deliveries of a webhook."""

    limit: int
    status: DeliveryStatus | None = None


def visible(viewer: Viewer) -> Condition:
    """The condition that a row of `webhook` may be seen: the one place where reads of webhooks are scoped."""
    return sa.true() if viewer.sees_all else WEBHOOK.c.owner_id == viewer.id


async def webhooks_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, WebhookRow]:
    """The visible ones of these webhooks."""
    proper = [each for each in ids if is_id(each, "webhook")]
    query = sa.select(*WEBHOOK_COLUMNS).where(WEBHOOK.c.id.in_(proper), visible(viewer))
    return {webhook.id: webhook for webhook in rows.all_rows(WebhookRow, await connection.execute(query))}


async def deliveries_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, DeliveryRow]:
    """The visible ones of these deliveries: those of visible webhooks."""
    proper = [each for each in ids if is_id(each, "delivery")]
    query = (
        sa.select(*DELIVERY_COLUMNS)
        .select_from(WEBHOOK_DELIVERY.join(WEBHOOK, WEBHOOK.c.id == WEBHOOK_DELIVERY.c.webhook_id))
        .where(WEBHOOK_DELIVERY.c.id.in_(proper), visible(viewer))
    )
    return {delivery.id: delivery for delivery in rows.all_rows(DeliveryRow, await connection.execute(query))}


async def webhooks(connection: Connection, viewer: Viewer, job_id: str | None) -> list[WebhookRow]:
    """The visible webhooks, oldest first; with `job_id` those of that job alone."""
    query = sa.select(*WEBHOOK_COLUMNS).where(visible(viewer))
    if job_id is not None:
        if not is_id(job_id, "job"):
            return []
        query = query.where(WEBHOOK.c.job_id == job_id)
    query = query.order_by(WEBHOOK.c.created_at, WEBHOOK.c.id).limit(MOST_LISTED)
    return rows.all_rows(WebhookRow, await connection.execute(query))


async def deliveries_of_webhooks(
    connection: Connection, webhook_ids: Sequence[str], wanted: DeliveryQuery
) -> dict[str, list[DeliveryRow]]:
    """The newest deliveries of each of these webhooks, newest first, which the caller has been allowed to see."""
    newest = [WEBHOOK_DELIVERY.c.created_at.desc(), WEBHOOK_DELIVERY.c.version.desc(), WEBHOOK_DELIVERY.c.id.desc()]
    conditions: list[Condition] = [WEBHOOK_DELIVERY.c.webhook_id.in_(webhook_ids)]
    if wanted.status is not None:
        conditions.append(WEBHOOK_DELIVERY.c.status == wanted.status)
    rank = sa.func.row_number().over(partition_by=WEBHOOK_DELIVERY.c.webhook_id, order_by=newest).label("rank")
    ranked = sa.select(WEBHOOK_DELIVERY.c.id, rank).where(*conditions).subquery()
    query = (
        sa.select(*DELIVERY_COLUMNS)
        .select_from(WEBHOOK_DELIVERY.join(ranked, ranked.c.id == WEBHOOK_DELIVERY.c.id))
        .where(ranked.c.rank <= wanted.limit)
        .order_by(*newest)
    )
    found: dict[str, list[DeliveryRow]] = {webhook_id: [] for webhook_id in webhook_ids}
    for delivery in rows.all_rows(DeliveryRow, await connection.execute(query)):
        found[delivery.webhook_id].append(delivery)
    return found


async def count_of_owner(connection: Connection, owner_id: str) -> int:
    """How many webhooks an owner has; they are locked, so that of two at once the second counts the first's."""
    query = sa.select(WEBHOOK.c.id).where(WEBHOOK.c.owner_id == owner_id).order_by(WEBHOOK.c.id)
    await connection.execute(query.with_for_update(key_share=True))
    # Asked again, for the first answer is as of before the wait.
    return len((await connection.execute(query)).all())
