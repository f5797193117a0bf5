"""Rate limits per user. The buckets are rows of the database, so they hold across jobs and processes.

Lock order: job row, then allowance row. Nothing later in the transaction locks another job, so there is no deadlock.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from models.db import clock
from models.db.database import Connection
from models.db.tables import ALLOWANCE
from models.domain.access import Viewer
from models.domain.errors import ErrorCode, Invalid, QuotaExceeded
from models.domain.quota import Quota, Rate
from models.reads import queries
from models.writes.change import Change

REGENERATE = "regenerate"

# As text, because SQLAlchemy's construct for ON CONFLICT differs by dialect, while both databases accept this SQL.
_INSERT_BUCKET = sa.text(
    "INSERT INTO allowance (owner_id, purpose, full_at) VALUES (:owner_id, :purpose, :full_at) ON CONFLICT DO NOTHING"
).bindparams(sa.bindparam("full_at", type_=ALLOWANCE.c.full_at.type))


async def spend(change: Change, rate: Rate, path: Sequence[str], purpose: str = REGENERATE) -> None:
    """Count one use by the viewer of the change. Raises QuotaExceeded, and then counts nothing."""
    if not rate.limited:
        return
    full_at = await _require_available(change, rate, 1, path, purpose)
    bucket = sa.update(ALLOWANCE).where(*_bucket_of(change, purpose))
    await change.connection.execute(bucket.values(full_at=rate.after(full_at, change.now)))


async def check(change: Change, rate: Rate, uses: int, path: Sequence[str], purpose: str = REGENERATE) -> None:
    """Check that this many uses are available at once.

    Raises QuotaExceeded when they are not, and Invalid (LIMIT_EXCEEDED) for more than the burst size.
    """
    if not rate.limited:
        return
    if uses > rate.burst:
        raise Invalid(
            f"At most {rate.burst} scenes can be regenerated at once; give fewer, or choose BEST_EFFORT.",
            path,
            ErrorCode.LIMIT_EXCEEDED,
        )
    await _require_available(change, rate, uses, path, purpose)


async def quota(connection: Connection, viewer: Viewer, rate: Rate, purpose: str = REGENERATE) -> Quota:
    """Return the current quota of the viewer."""
    full_at = await queries.allowance_full_at(connection, viewer.id, purpose)
    return rate.quota(full_at, await clock.current(connection))


async def _require_available(change: Change, rate: Rate, uses: int, path: Sequence[str], purpose: str) -> datetime:
    """Lock the bucket until the end of the transaction, and return when it is full."""
    owner: dict[str, Any] = {"owner_id": change.viewer.id, "purpose": purpose}
    await change.connection.execute(_INSERT_BUCKET, owner | {"full_at": change.now})
    locked = sa.select(ALLOWANCE.c.full_at).where(*_bucket_of(change, purpose)).with_for_update()
    full_at: datetime = (await change.connection.execute(locked)).scalar_one()
    wait = rate.wait(full_at, change.now, uses)
    if wait:
        seconds = wait.total_seconds()
        raise QuotaExceeded(
            f"You have regenerated too often; try again in {max(1, round(seconds))} seconds.",
            path,
            retry_after_seconds=seconds,
            quota=rate.quota(full_at, change.now),
        )
    return full_at


def _bucket_of(change: Change, purpose: str) -> list[sa.ColumnElement[bool]]:
    return [ALLOWANCE.c.owner_id == change.viewer.id, ALLOWANCE.c.purpose == purpose]
