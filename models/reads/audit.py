"""The entries of the audit log, for an operator."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import AUDIT, SCENE, TAKE, WEBHOOK
from models.writes.audit import Entry

_COLUMNS = [AUDIT.c[name] for name in Entry._fields]


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which entries: those of a request, of a principal, about a job and what belongs to it, within a time.

    `until` is excluded. Scenes, takes and webhooks that were removed for good belong to no job any more.
    """

    request_id: str | None = None
    actor_id: str | None = None
    job_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def latest(connection: Connection, query: AuditQuery, limit: int) -> list[Entry]:
    """Return the latest `limit` entries, the oldest of them first."""
    select = sa.select(*_COLUMNS).where(*_conditions(query)).order_by(AUDIT.c.at.desc(), AUDIT.c.id.desc())
    found = await connection.execute(select.limit(limit))
    return [Entry._make(row) for row in reversed(found.all())]


def _conditions(query: AuditQuery) -> Iterator[sa.ColumnElement[bool]]:
    if query.request_id is not None:
        yield AUDIT.c.request_id == query.request_id
    if query.actor_id is not None:
        yield AUDIT.c.actor_id == query.actor_id
    if query.job_id is not None:
        parts = (sa.select(table.c.id).where(table.c.job_id == query.job_id) for table in (SCENE, TAKE, WEBHOOK))
        yield sa.or_(AUDIT.c.object_id == query.job_id, *(AUDIT.c.object_id.in_(part) for part in parts))
    if query.since is not None:
        yield AUDIT.c.at >= query.since
    if query.until is not None:
        yield AUDIT.c.at < query.until
