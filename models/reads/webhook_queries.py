"""The SELECTs of webhooks and their deliveries, scoped by the viewer."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from models.db import rows
from models.db.database import Connection
from models.db.rows import DELIVERY_COLUMNS, WEBHOOK_COLUMNS, DeliveryRow, WebhookRow
from models.db.tables import WEBHOOK, WEBHOOK_DELIVERY
from models.domain.access import Viewer
from models.domain.events import DeliveryStatus
from models.domain.ids import is_id
from models.reads.queries import Condition

# More than the webhooks of one owner; limits the list of a viewer that sees all of them.
MAX_LISTED = 1_000


class DeliveryQuery(NamedTuple):
    """The filter and the limit of a list of deliveries."""

    limit: int
    status: DeliveryStatus | None = None


def visible(viewer: Viewer) -> Condition:
    """Return the condition that a webhook is visible: the only place that scopes reads of webhooks.

    Access tokens see none: a webhook shows the events of other jobs, and where they are sent.
    """
    if viewer.scope is not None:
        return sa.false()
    return sa.true() if viewer.sees_all else WEBHOOK.c.owner_id == viewer.id


async def webhooks_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, WebhookRow]:
    """Return those of these webhooks that are visible."""
    proper = [each for each in ids if is_id(each, "webhook")]
    query = sa.select(*WEBHOOK_COLUMNS).where(WEBHOOK.c.id.in_(proper), visible(viewer))
    return {webhook.id: webhook for webhook in rows.all_rows(WebhookRow, await connection.execute(query))}


async def deliveries_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, DeliveryRow]:
    """Return those of these deliveries whose webhooks are visible."""
    proper = [each for each in ids if is_id(each, "delivery")]
    query = (
        sa.select(*DELIVERY_COLUMNS)
        .select_from(WEBHOOK_DELIVERY.join(WEBHOOK, WEBHOOK.c.id == WEBHOOK_DELIVERY.c.webhook_id))
        .where(WEBHOOK_DELIVERY.c.id.in_(proper), visible(viewer))
    )
    return {delivery.id: delivery for delivery in rows.all_rows(DeliveryRow, await connection.execute(query))}


async def webhooks(connection: Connection, viewer: Viewer, job_id: str | None) -> list[WebhookRow]:
    """Return the visible webhooks, oldest first; with `job_id`, only those of that job."""
    query = sa.select(*WEBHOOK_COLUMNS).where(visible(viewer))
    if job_id is not None:
        if not is_id(job_id, "job"):
            return []
        query = query.where(WEBHOOK.c.job_id == job_id)
    query = query.order_by(WEBHOOK.c.created_at, WEBHOOK.c.id).limit(MAX_LISTED)
    return rows.all_rows(WebhookRow, await connection.execute(query))


async def deliveries_of_webhooks(
    connection: Connection, webhook_ids: Sequence[str], query: DeliveryQuery
) -> dict[str, list[DeliveryRow]]:
    """Return the latest deliveries of each of these webhooks, newest first; the caller must have checked visibility."""
    each = WEBHOOK_DELIVERY.alias("each")
    newest = sa.select(each.c.id).where(each.c.webhook_id == WEBHOOK.c.id)
    if query.status is not None:
        newest = newest.where(each.c.status == query.status)
    newest = newest.order_by(*_newest_first(each)).limit(query.limit)
    # The index finds the latest of each webhook; ranking them all would read all.
    select = (
        sa.select(*DELIVERY_COLUMNS)
        .select_from(WEBHOOK.join(WEBHOOK_DELIVERY, WEBHOOK_DELIVERY.c.id.in_(newest.correlate(WEBHOOK))))
        .where(WEBHOOK.c.id.in_(webhook_ids))
        .order_by(*_newest_first(WEBHOOK_DELIVERY))
    )
    found: dict[str, list[DeliveryRow]] = {webhook_id: [] for webhook_id in webhook_ids}
    for delivery in rows.all_rows(DeliveryRow, await connection.execute(select)):
        found[delivery.webhook_id].append(delivery)
    return found


def _newest_first(deliveries: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    return [deliveries.c.created_at.desc(), deliveries.c.version.desc(), deliveries.c.id.desc()]


async def count_of_owner(connection: Connection, owner_id: str) -> int:
    """Return the number of webhooks of an owner, and lock them: a concurrent creation counts the one made first."""
    query = sa.select(WEBHOOK.c.id).where(WEBHOOK.c.owner_id == owner_id).order_by(WEBHOOK.c.id)
    await connection.execute(query.with_for_update(key_share=True))
    # Selected again: the first result is older than the wait for the locks.
    return len((await connection.execute(query)).all())
