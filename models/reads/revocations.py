"""Token revocations: tokens of a subject issued before its revocation are rejected."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import REVOCATION


async def of_subjects(connection: Connection, subjects: Iterable[str]) -> dict[str, datetime]:
    """Return the instant of revocation of each of these subjects that has one."""
    query = sa.select(REVOCATION.c.subject, REVOCATION.c.not_before).where(REVOCATION.c.subject.in_(list(subjects)))
    return {str(subject): not_before for subject, not_before in await connection.execute(query)}


async def revoke(connection: Connection, subject: str, not_before: datetime) -> None:
    """Reject tokens of the subject that were issued before this instant."""
    update = sa.update(REVOCATION).where(REVOCATION.c.subject == subject).values(not_before=not_before)
    if (await connection.execute(update)).rowcount == 0:
        await connection.execute(sa.insert(REVOCATION).values(subject=subject, not_before=not_before))
