"""The deliveries of webhooks in the database: which are due, their leases, and the result of an attempt.

Many processes share them. A row is claimed by compare-and-set for a lease, which expires when its process dies; the
result of an attempt is recorded only under the lease of that attempt.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from coordinator.webhooks import backoff
from coordinator.webhooks.backoff import Attempt
from models.db import clock, rows
from models.db.database import Connection
from models.db.prepared import Prepared
from models.db.readers import fetch
from models.db.rows import DELIVERY_COLUMNS, WEBHOOK_COLUMNS, DeliveryRow, WebhookRow
from models.db.tables import WEBHOOK, WEBHOOK_DELIVERY
from models.domain.events import DeliveryStatus
from models.reads.queries import Condition
from models.writes.store import Store

log = logging.getLogger(__name__)

# Longer than an attempt can last, including recording it.
LEASE = timedelta(seconds=20)
# Attempts in flight to one webhook, in each process; to a failing webhook, one.
AT_ONCE = 4
# Deliveries are kept this long after they are finished, or after the event when their webhook is switched off.
KEPT = timedelta(days=30)

UNFINISHED = (DeliveryStatus.PENDING, DeliveryStatus.FAILED)
_EARLIER = WEBHOOK_DELIVERY.alias("earlier")
_TEST = WEBHOOK_DELIVERY.c.version == 0
# Compiled once, as it is executed all the time, and has no rows on a server without webhooks.
_ANY_UNFINISHED = Prepared(
    sa.select(WEBHOOK_DELIVERY.c.id)
    .where(sa.or_(*(WEBHOOK_DELIVERY.c.status == status for status in UNFINISHED)))
    .limit(sa.literal_column("1", sa.Integer))
)


class Due(NamedTuple):
    """A delivery and its webhook."""

    delivery: DeliveryRow
    webhook: WebhookRow


async def due(connection: Connection, limit: int, in_flight: Mapping[str, int], most_to_failing: int) -> list[Due]:
    """Return deliveries that may be attempted now, those to healthy webhooks first, at most `limit`.

    Of one job and webhook only the earliest unfinished one, so that events arrive in order. `in_flight` counts the
    attempts of this process by webhook.
    """
    if not await fetch(connection, _ANY_UNFINISHED.on(connection.dialect.name), {}):
        return []
    conditions = [
        _claimable(await clock.current(connection)),
        WEBHOOK.c.active | _TEST,
        ~_waits_for_earlier(),
        _room(in_flight) > 0,
    ]
    if most_to_failing <= 0:
        conditions.append(WEBHOOK.c.failing_since.is_(None))
    both = WEBHOOK_DELIVERY.join(WEBHOOK, WEBHOOK.c.id == WEBHOOK_DELIVERY.c.webhook_id)
    oldest = [WEBHOOK_DELIVERY.c.next_attempt_at, WEBHOOK_DELIVERY.c.version, WEBHOOK_DELIVERY.c.id]
    rank = sa.func.row_number().over(partition_by=WEBHOOK.c.id, order_by=oldest).label("rank")
    ranked = sa.select(WEBHOOK_DELIVERY.c.id, rank).select_from(both).where(*conditions).subquery()
    query = (
        sa.select(*DELIVERY_COLUMNS, *WEBHOOK_COLUMNS)
        .select_from(both.join(ranked, ranked.c.id == WEBHOOK_DELIVERY.c.id))
        .where(ranked.c.rank <= _room(in_flight))
        .order_by(WEBHOOK.c.failing_since.is_not(None), *oldest)
        .limit(limit)
    )
    width = len(DELIVERY_COLUMNS)
    result = await connection.execute(query)
    found = [Due(DeliveryRow._make(row[:width]), WebhookRow._make(row[width:])) for row in result]
    healthy = sum(1 for each in found if each.webhook.failing_since is None)
    return found[: healthy + max(0, most_to_failing)]


async def claim(store: Store, found: Sequence[Due], bodies: Mapping[str, str], worker: str) -> list[Due]:
    """Lease those deliveries that no other process leased first. A body is stored once and never changes."""
    claimed: list[Due] = []
    async with store.write() as connection:
        # Lock order: by id in every process, so no deadlock.
        instant = await clock.current(connection)
        for each in sorted(found, key=lambda each: each.delivery.id):
            body = sa.func.coalesce(WEBHOOK_DELIVERY.c.body, bodies.get(each.delivery.id))
            update = (
                sa.update(WEBHOOK_DELIVERY)
                .where(WEBHOOK_DELIVERY.c.id == each.delivery.id, _claimable(instant))
                .values(leased_by=worker, lease_expires_at=instant + LEASE, body=body)
            )
            result = await connection.execute(update.returning(*DELIVERY_COLUMNS))
            leased = rows.first_row(DeliveryRow, result)
            if leased is not None:
                claimed.append(each._replace(delivery=leased))
    return claimed


async def record(store: Store, leased: Due, attempt: Attempt, first_backoff: timedelta) -> timedelta | None:
    """Record an attempt and the health of its webhook; return the pause before the next one, None if there is none."""
    delivery = leased.delivery
    still_leased = sa.and_(
        WEBHOOK_DELIVERY.c.id == delivery.id,
        WEBHOOK_DELIVERY.c.leased_by == delivery.leased_by,
        WEBHOOK_DELIVERY.c.lease_expires_at == delivery.lease_expires_at,
    )
    async with store.write() as connection:
        instant = await clock.current(connection)
        values = backoff.next_state(delivery, attempt, first_backoff, instant)
        # Lock order: webhook row, then delivery rows, as when a webhook is deleted.
        if not delivery.is_test:
            await _update_health(connection, leased.webhook, attempt, instant)
        await connection.execute(sa.update(WEBHOOK_DELIVERY).where(still_leased).values(values))
    next_at: datetime | None = values["next_attempt_at"]
    return None if next_at is None else next_at - instant


async def restart(connection: Connection, condition: Condition) -> None:
    """Make deliveries due now, with a whole day of attempts before them; those in flight are not changed."""
    fresh = {"status": DeliveryStatus.PENDING, "failures": 0, "failing_since": None, "finished_at": None}
    instant = await clock.current(connection)
    restarted = sa.update(WEBHOOK_DELIVERY).where(condition, _is_free(instant))
    await connection.execute(restarted.values(next_attempt_at=instant, **fresh))


async def release(store: Store, worker: str | None = None) -> None:
    """Release the leases of a worker that stops; without one, all leases, where there is only one process."""
    leased = WEBHOOK_DELIVERY.c.lease_expires_at.is_not(None)
    if worker is not None:
        leased &= WEBHOOK_DELIVERY.c.leased_by == worker
    released = {"leased_by": None, "lease_expires_at": None}
    async with store.write() as connection:
        await connection.execute(sa.update(WEBHOOK_DELIVERY).where(leased).values(released))


async def correct_pauses(connection: Connection, instant: datetime, latest: datetime) -> int:
    """Restart at `instant` the pauses that follow an attempt later than `latest`; return their number."""
    delivery = WEBHOOK_DELIVERY.c
    paused = sa.select(delivery.id, delivery.next_attempt_at, delivery.attempts).where(
        delivery.status == DeliveryStatus.FAILED, delivery.next_attempt_at > latest
    )
    corrected = 0
    for delivery_id, next_at, attempts in (await connection.execute(paused.order_by(delivery.id))).all():
        pause = next_at - datetime.fromisoformat(attempts[-1]["at"])
        if next_at - pause > latest:
            same = sa.and_(delivery.id == delivery_id, delivery.next_attempt_at == next_at)
            begun_now = sa.update(WEBHOOK_DELIVERY).where(same).values(next_attempt_at=instant + pause)
            corrected += (await connection.execute(begun_now)).rowcount
    return corrected


async def correct_ages(connection: Connection, instant: datetime, latest: datetime) -> int:
    """Set times of creation, first failure and completion later than `latest` to `instant`; return their number."""
    columns = [WEBHOOK_DELIVERY.c[name] for name in ("created_at", "failing_since", "finished_at")]
    moved = {column: sa.case((column > latest, instant), else_=column) for column in columns}
    update = sa.update(WEBHOOK_DELIVERY).where(sa.or_(*(column > latest for column in columns))).values(moved)
    return (await connection.execute(update)).rowcount


async def prune(store: Store) -> int:
    """Delete deliveries that need not be kept any longer (see `KEPT`); return how many."""
    off = sa.select(WEBHOOK.c.id).where(WEBHOOK.c.active.is_(False))
    async with store.maintenance() as connection:
        last = await clock.current(connection) - KEPT
        stale = sa.and_(WEBHOOK_DELIVERY.c.created_at < last, WEBHOOK_DELIVERY.c.webhook_id.in_(off))
        old = sa.delete(WEBHOOK_DELIVERY).where((WEBHOOK_DELIVERY.c.finished_at < last) | stale)
        return (await connection.execute(old)).rowcount


def _claimable(instant: datetime) -> Condition:
    return sa.and_(
        WEBHOOK_DELIVERY.c.status.in_(UNFINISHED),
        # Only a failed attempt is followed by a pause.
        (WEBHOOK_DELIVERY.c.status == DeliveryStatus.PENDING)
        | clock.reached(WEBHOOK_DELIVERY.c.next_attempt_at, instant, backoff.LONGEST_PAUSE),
        _is_free(instant),
    )


def _is_free(instant: datetime) -> Condition:
    lease = WEBHOOK_DELIVERY.c.lease_expires_at
    return lease.is_(None) | clock.reached(lease, instant, LEASE)


def _waits_for_earlier() -> sa.ColumnElement[bool]:
    """Match deliveries behind an unfinished one of the same job and webhook. A test (version 0) delays no event."""
    return sa.exists().where(
        _EARLIER.c.webhook_id == WEBHOOK_DELIVERY.c.webhook_id,
        _EARLIER.c.job_id == WEBHOOK_DELIVERY.c.job_id,
        _EARLIER.c.status.in_(UNFINISHED),
        _EARLIER.c.version.between(1, WEBHOOK_DELIVERY.c.version - 1),
    )


def _room(in_flight: Mapping[str, int]) -> sa.ColumnElement[int]:
    """Return how many more attempts to a webhook this process may start."""
    most = sa.case((WEBHOOK.c.failing_since.is_(None), AT_ONCE), else_=1)
    return most - sa.case(dict(in_flight), value=WEBHOOK.c.id, else_=0) if in_flight else most


async def _update_health(connection: Connection, webhook: WebhookRow, attempt: Attempt, instant: datetime) -> None:
    """Note since when a webhook fails, and switch it off when that is too long."""
    # An attempt at a URL that was replaced meanwhile says nothing about the webhook.
    same = sa.and_(WEBHOOK.c.id == webhook.id, WEBHOOK.c.url == webhook.url)
    if attempt.error is None:
        await _set(connection, same & WEBHOOK.c.failing_since.is_not(None), failing_since=None)
        return
    await _set(connection, same & WEBHOOK.c.failing_since.is_(None), failing_since=instant)
    if attempt.response_status == backoff.GONE:
        why, condition = "The address answered 410 Gone.", same
    else:
        why = f"Nothing was accepted for {backoff.GIVE_UP_AFTER.total_seconds() / 3600:g} hours."
        condition = same & (WEBHOOK.c.failing_since <= instant - backoff.GIVE_UP_AFTER)
    if await _set(connection, condition & WEBHOOK.c.active, active=False, disabled_reason=why, updated_at=instant):
        log.warning("a webhook is switched off", extra={"action": "webhook.off", "webhook": webhook.id})


async def _set(connection: Connection, condition: Condition, **values: Any) -> int:
    return (await connection.execute(sa.update(WEBHOOK).where(condition).values(values))).rowcount
