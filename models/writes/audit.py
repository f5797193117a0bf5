"""The audit log: who did what to which object, with what result. No words of a request are in it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa

from models.db.database import Connection
from models.db.tables import AUDIT
from models.domain import ids
from models.domain.access import AuditContext, Viewer

OK = "OK"


class Entry(NamedTuple):
    """One line of the log; `result` is OK or the code of the refusal."""

    id: str
    at: datetime
    actor_id: str
    action: str
    object_id: str | None
    result: str
    request_id: str | None


def entry(viewer: Viewer, audit_context: AuditContext, result: str, made: str | None = None) -> Entry:
    """The line of a deed; `made` is its object when the request named none."""
    object_id = audit_context.object_id or made
    return Entry(
        ids.new("audit"),
        datetime.now(UTC),
        viewer.id,
        audit_context.action,
        object_id,
        result,
        audit_context.request_id,
    )


def plain(actor_id: str, action: str, object_id: str) -> Entry:
    """The line of what an operator did at the command line."""
    return Entry(ids.new("audit"), datetime.now(UTC), actor_id, action, object_id, OK, None)


async def write(connection: Connection, entries: Sequence[Entry]) -> None:
    """Append lines, as part of the transaction of `connection`."""
    await connection.execute(sa.insert(AUDIT), [each._asdict() for each in entries])
