"""The deliveries of webhooks in the database: which are due, whose they are, and what came of them.

Many processes share them. A row is claimed by compare-and-set and held for a while; who dies loses it, and whoever
writes what came of a try must still hold it.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from coordinator.webhooks import backoff
from coordinator.webhooks.backoff import Attempt
from models.db import rows
from models.db.database import Connection
from models.db.rows import DELIVERY_COLUMNS, WEBHOOK_COLUMNS, DeliveryRow, WebhookRow
from models.db.tables import WEBHOOK, WEBHOOK_DELIVERY
from models.domain.events import DeliveryStatus
from models.reads.queries import Condition
from models.writes.store import Store, now

log = logging.getLogger(__name__)

# Longer than a try can last, with what must be written after it.
LEASE = timedelta(seconds=20)
# At the same time to one webhook, from each process; to one that fails, one.
AT_ONCE = 4
# Deliveries are kept for so long after they are over, or after the event when their webhook is switched off.
KEPT = timedelta(days=30)

WAITING = (DeliveryStatus.PENDING, DeliveryStatus.FAILED)
_EARLIER = WEBHOOK_DELIVERY.alias("earlier")
_TEST = WEBHOOK_DELIVERY.c.version == 0


class Due(NamedTuple):
    """A delivery and the webhook it is for."""

    delivery: DeliveryRow
    webhook: WebhookRow


async def due(connection: Connection, limit: int, busy: Collection[str], most_to_failing: int) -> list[Due]:
    """What may be tried now, first to webhooks that do not fail; to those that are busy nothing.

    Of one job and webhook only the earliest that is not over, so that they are told in order.
    """
    instant = now()
    blocked = sa.exists().where(
        _EARLIER.c.webhook_id == WEBHOOK_DELIVERY.c.webhook_id,
        _EARLIER.c.job_id == WEBHOOK_DELIVERY.c.job_id,
        _EARLIER.c.status.in_(WAITING),
        _EARLIER.c.version.between(1, WEBHOOK_DELIVERY.c.version - 1),
    )
    conditions = [_claimable(instant), WEBHOOK.c.active | _TEST, WEBHOOK.c.id.not_in(busy), ~blocked]
    if most_to_failing <= 0:
        conditions.append(WEBHOOK.c.failing_since.is_(None))
    both = WEBHOOK_DELIVERY.join(WEBHOOK, WEBHOOK.c.id == WEBHOOK_DELIVERY.c.webhook_id)
    oldest = [WEBHOOK_DELIVERY.c.next_attempt_at, WEBHOOK_DELIVERY.c.version, WEBHOOK_DELIVERY.c.id]
    rank = sa.func.row_number().over(partition_by=WEBHOOK.c.id, order_by=oldest).label("rank")
    ranked = sa.select(WEBHOOK_DELIVERY.c.id, rank).select_from(both).where(*conditions).subquery()
    query = (
        sa.select(*DELIVERY_COLUMNS, *WEBHOOK_COLUMNS)
        .select_from(both.join(ranked, ranked.c.id == WEBHOOK_DELIVERY.c.id))
        .where(ranked.c.rank <= sa.case((WEBHOOK.c.failing_since.is_(None), AT_ONCE), else_=1))
        .order_by(WEBHOOK.c.failing_since.is_not(None), *oldest)
        .limit(limit)
    )
    width = len(DELIVERY_COLUMNS)
    result = await connection.execute(query)
    found = [Due(DeliveryRow._make(row[:width]), WebhookRow._make(row[width:])) for row in result]
    healthy = sum(1 for each in found if each.webhook.failing_since is None)
    return found[: healthy + max(0, most_to_failing)]


async def claim(store: Store, found: Sequence[Due], bodies: Mapping[str, str], worker: str) -> list[Due]:
    """Hold those of them that nobody else was faster to claim, each with its body, which stays as it is first made."""
    claimed: list[Due] = []
    async with store.write() as connection:
        # In the same order everywhere, or two processes would wait for each other.
        for each in sorted(found, key=lambda each: each.delivery.id):
            instant = now()
            body = sa.func.coalesce(WEBHOOK_DELIVERY.c.body, bodies.get(each.delivery.id))
            update = (
                sa.update(WEBHOOK_DELIVERY)
                .where(WEBHOOK_DELIVERY.c.id == each.delivery.id, _claimable(instant))
                .values(leased_by=worker, lease_expires_at=instant + LEASE, body=body)
            )
            result = await connection.execute(update.returning(*DELIVERY_COLUMNS))
            ours = rows.first_row(DeliveryRow, result)
            if ours is not None:
                claimed.append(each._replace(delivery=ours))
    return claimed


async def record(store: Store, told: Due, attempt: Attempt, first_backoff: timedelta) -> datetime | None:
    """Write down a try, and what it means for the webhook; answers when there is to be another."""
    instant = now()
    values = backoff.after(told.delivery, attempt, first_backoff, instant)
    held = sa.and_(
        WEBHOOK_DELIVERY.c.id == told.delivery.id,
        WEBHOOK_DELIVERY.c.leased_by == told.delivery.leased_by,
        WEBHOOK_DELIVERY.c.lease_expires_at == told.delivery.lease_expires_at,
    )
    async with store.write() as connection:
        # The webhook first, as whoever deletes it and with it its deliveries.
        if not told.delivery.is_test:
            await _judge(connection, told.webhook, attempt, instant)
        await connection.execute(sa.update(WEBHOOK_DELIVERY).where(held).values(values))
    return values["next_attempt_at"]


async def restart(connection: Connection, condition: Condition) -> None:
    """Make deliveries due, with a whole day of tries before them; those that are being tried are left alone."""
    fresh = {"status": DeliveryStatus.PENDING, "failures": 0, "failing_since": None, "finished_at": None}
    free = WEBHOOK_DELIVERY.c.lease_expires_at.is_(None) | (WEBHOOK_DELIVERY.c.lease_expires_at <= now())
    await connection.execute(sa.update(WEBHOOK_DELIVERY).where(condition, free).values(next_attempt_at=now(), **fresh))


async def release(store: Store, worker: str | None = None) -> None:
    """Let go of what a worker that ends holds; without one, of what anybody holds, where there is only one process."""
    held = WEBHOOK_DELIVERY.c.lease_expires_at.is_not(None)
    if worker is not None:
        held &= WEBHOOK_DELIVERY.c.leased_by == worker
    async with store.write() as connection:
        await connection.execute(sa.update(WEBHOOK_DELIVERY).where(held).values(leased_by=None, lease_expires_at=None))


async def prune(store: Store) -> int:
    """Delete what need not be kept; how many deliveries that were."""
    last = now() - KEPT
    off = sa.select(WEBHOOK.c.id).where(WEBHOOK.c.active.is_(False))
    stale = sa.and_(WEBHOOK_DELIVERY.c.created_at < last, WEBHOOK_DELIVERY.c.webhook_id.in_(off))
    async with store.maintenance() as connection:
        old = sa.delete(WEBHOOK_DELIVERY).where((WEBHOOK_DELIVERY.c.finished_at < last) | stale)
        return (await connection.execute(old)).rowcount


def _claimable(instant: datetime) -> Condition:
    return sa.and_(
        WEBHOOK_DELIVERY.c.status.in_(WAITING),
        WEBHOOK_DELIVERY.c.next_attempt_at <= instant,
        WEBHOOK_DELIVERY.c.lease_expires_at.is_(None) | (WEBHOOK_DELIVERY.c.lease_expires_at <= instant),
    )


async def _judge(connection: Connection, webhook: WebhookRow, attempt: Attempt, instant: datetime) -> None:
    # What an address did that is no longer the webhook's says nothing about it.
    same = sa.and_(WEBHOOK.c.id == webhook.id, WEBHOOK.c.url == webhook.url)
    if attempt.error is None:
        await _set(connection, same & WEBHOOK.c.failing_since.is_not(None), failing_since=None)
        return
    await _set(connection, same & WEBHOOK.c.failing_since.is_(None), failing_since=instant)
    if attempt.response_status == backoff.GONE:
        why, condition = "The address answered 410 Gone.", same
    else:
        why = f"Nothing was accepted for {backoff.PATIENCE.total_seconds() / 3600:g} hours."
        condition = same & (WEBHOOK.c.failing_since <= instant - backoff.PATIENCE)
    if await _set(connection, condition & WEBHOOK.c.active, active=False, disabled_reason=why, updated_at=instant):
        log.warning("a webhook is switched off", extra={"action": "webhook.off", "webhook": webhook.id})


async def _set(connection: Connection, condition: Condition, **values: Any) -> int:
    return (await connection.execute(sa.update(WEBHOOK).where(condition).values(values))).rowcount
