"""Token revocations: tokens of a subject issued before its revocation are rejected."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from models.db.database import Connection
from models.db.readers import fetch_rows
from models.db.tables import REVOCATION
from models.reads import shapes


async def of_subjects(connection: Connection, subjects: Iterable[str]) -> dict[str, datetime]:
    """Return the instant of revocation of each of these subjects that has one."""
    asked = list(subjects)
    statement = shapes.revocations(connection.dialect.name, one=len(asked) == 1)
    return {each.subject: each.not_before for each in await fetch_rows(connection, _Revoked, statement, {"ids": asked})}


class _Revoked(NamedTuple):
    subject: str
    not_before: datetime


async def revoke(connection: Connection, subject: str, not_before: datetime) -> None:
    """Reject tokens of the subject that were issued before this instant."""
    update = sa.update(REVOCATION).where(REVOCATION.c.subject == subject).values(not_before=not_before)
    if (await connection.execute(update)).rowcount == 0:
        await connection.execute(sa.insert(REVOCATION).values(subject=subject, not_before=not_before))
