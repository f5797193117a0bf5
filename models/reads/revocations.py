"""Revocations: since when tokens of a subject must have been issued to be accepted."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import REVOCATION


async def of_subjects(connection: Connection, subjects: Iterable[str]) -> dict[str, datetime]:
    """The revocation of each of these subjects, in one statement; absent for most."""
    query = sa.select(REVOCATION.c.subject, REVOCATION.c.not_before).where(REVOCATION.c.subject.in_(list(subjects)))
    return {str(subject): not_before for subject, not_before in await connection.execute(query)}


async def revoke(connection: Connection, subject: str, not_before: datetime) -> None:
    """Accept no token of the subject that was issued before then."""
    moved = sa.update(REVOCATION).where(REVOCATION.c.subject == subject).values(not_before=not_before)
    if (await connection.execute(moved)).rowcount == 0:
        await connection.execute(sa.insert(REVOCATION).values(subject=subject, not_before=not_before))
