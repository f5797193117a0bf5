"""Folding of titles that an older process has written without the folded copy, which `search` needs."""

import sqlalchemy as sa

from models.db.cancellation import shield_to_completion
from models.db.database import Database
from models.db.tables import JOB
from models.domain.folding import folded_title

# Their rows are locked on Postgres until the transaction ends.
JOBS_AT_ONCE = 200


async def fold_missing(database: Database) -> int:
    """Fold every title that has no folding yet, in short transactions; return how many."""
    total = 0
    while filled := await _fold_some(database):
        total += filled
    return total


async def _fold_some(database: Database) -> int:
    unfolded = sa.select(JOB.c.id, JOB.c.title).where(JOB.c.title_folded.is_(None)).order_by(JOB.c.id)
    fill = (
        sa.update(JOB)
        # A title that was changed meanwhile has been folded with the change, or is in the next batch.
        .where(JOB.c.id == sa.bindparam("job_id"), JOB.c.title == sa.bindparam("read_title"))
        .values(title_folded=sa.bindparam("folding"))
    )
    async with database.transaction(database.maintenance) as transaction:
        connection = await transaction.begun()
        found = (await connection.execute(unfolded.limit(JOBS_AT_ONCE))).all()
        if found:
            rows = [{"job_id": row.id, "read_title": row.title, "folding": folded_title(row.title)} for row in found]
            await connection.execute(fill, rows)
        await shield_to_completion(transaction.commit())
    return len(found)
