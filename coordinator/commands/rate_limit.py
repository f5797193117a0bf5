"""Rate limits per user. The buckets are rows of the database, so they hold across jobs and processes.

Lock order: job row, then allowance row. Nothing later in the transaction locks another job, so there is no deadlock.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from models.db import clock
from models.db.database import Connection
from models.db.prepared import Call, Prepared
from models.db.tables import ALLOWANCE
from models.domain.access import Viewer
from models.domain.errors import ErrorCode, Invalid, QuotaExceeded
from models.domain.quota import Quota, Rate
from models.lazy_import import lazily
from models.reads import queries
from models.writes.change import Change

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    # A server with SQLite does without it.
    postgresql = lazily("sqlalchemy.dialects.postgresql")

REGENERATE = "regenerate"


def _locked_bucket(insert: "sqlite.Insert | postgresql.Insert") -> "sqlite.Insert | postgresql.Insert":
    """Insert a full bucket, or lock the one that is there, which setting a column to its own value does."""
    names = ("owner_id", "purpose", "full_at")
    inserted = insert.values({name: sa.bindparam(f"to_{name}", type_=ALLOWANCE.c[name].type) for name in names})
    return inserted.on_conflict_do_update(index_elements=["owner_id", "purpose"], set_={"full_at": ALLOWANCE.c.full_at})


LOCK_BUCKET = Prepared(
    _locked_bucket(sqlite.insert(ALLOWANCE)).returning(ALLOWANCE.c.full_at),
    lambda: _locked_bucket(postgresql.insert(ALLOWANCE)).returning(ALLOWANCE.c.full_at),
)
_SPEND = Prepared(
    sa.update(ALLOWANCE)
    .where(ALLOWANCE.c.owner_id == sa.bindparam("of_owner"), ALLOWANCE.c.purpose == sa.bindparam("of_purpose"))
    .values(full_at=sa.bindparam("to_full_at", type_=ALLOWANCE.c.full_at.type))
)


async def spend(change: Change, rate: Rate, path: Sequence[str], purpose: str = REGENERATE) -> None:
    """Count one use by the viewer of the change. Raises QuotaExceeded, and then counts nothing."""
    if not rate.limited:
        return
    full_at = await _require_available(change, rate, 1, path, purpose)
    after = rate.after(full_at, change.now)
    await change.execute(Call(_SPEND, [{"of_owner": change.viewer.id, "of_purpose": purpose, "to_full_at": after}]))


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
    values = {"to_owner_id": change.viewer.id, "to_purpose": purpose, "to_full_at": change.now}
    ((full_at,),) = await change.execute(Call(LOCK_BUCKET, [values]))
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
