"""What each person may do only so often, counted in the database so that it holds across jobs and processes.

Who counts holds the row of the job already, then that of the person, and nothing after that waits for another job: so
nobody waits in a circle.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from models.db.tables import ALLOWANCE
from models.domain.access import Viewer
from models.domain.errors import ErrorCode, Invalid, QuotaExceeded
from models.domain.quota import Quota, Rate
from models.reads import queries
from models.writes.change import Change
from models.writes.store import Store, now

REGENERATE = "regenerate"

# In words, because SQLAlchemy has a construct of its own for each database, and both understand the same words.
_FIRST_USE = sa.text(
    "INSERT INTO allowance (owner_id, purpose, full_at) VALUES (:owner_id, :purpose, :full_at) ON CONFLICT DO NOTHING"
).bindparams(sa.bindparam("full_at", type_=ALLOWANCE.c.full_at.type))


async def spend(change: Change, rate: Rate, path: Sequence[str], purpose: str = REGENERATE) -> None:
    """Count one use by whoever makes the change. Raises QuotaExceeded, and then has counted nothing."""
    if not rate.limited:
        return
    full_at = await _require_available(change, rate, 1, path, purpose)
    used = sa.update(ALLOWANCE).where(*_of(change, purpose))
    await change.connection.execute(used.values(full_at=rate.after(full_at, change.now)))


async def check(change: Change, rate: Rate, uses: int, path: Sequence[str], purpose: str = REGENERATE) -> None:
    """Make sure that so many uses are there at once. Raises QuotaExceeded, and Invalid for more than ever are."""
    if not rate.limited:
        return
    if uses > rate.burst:
        raise Invalid(
            f"At most {rate.burst} scenes can be regenerated at once; give fewer, or choose BEST_EFFORT.",
            path,
            ErrorCode.LIMIT_EXCEEDED,
        )
    await _require_available(change, rate, uses, path, purpose)


async def quota(store: Store, viewer: Viewer, rate: Rate, purpose: str = REGENERATE) -> Quota:
    """How much the viewer may do now."""
    async with store.read() as connection:
        return rate.quota(await queries.allowance_full_at(connection, viewer.id, purpose), now())


async def _require_available(change: Change, rate: Rate, uses: int, path: Sequence[str], purpose: str) -> Any:
    """The instant of the bucket, which nobody else can change until this transaction is over."""
    owner: dict[str, Any] = {"owner_id": change.viewer.id, "purpose": purpose}
    await change.connection.execute(_FIRST_USE, owner | {"full_at": change.now})
    held = sa.select(ALLOWANCE.c.full_at).where(*_of(change, purpose)).with_for_update()
    full_at = (await change.connection.execute(held)).scalar_one()
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


def _of(change: Change, purpose: str) -> list[sa.ColumnElement[bool]]:
    return [ALLOWANCE.c.owner_id == change.viewer.id, ALLOWANCE.c.purpose == purpose]
