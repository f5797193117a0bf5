"""The audit log: which principal did what to which object, with what result. It holds no text of a request."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from models.db.database import Connection
from models.db.rows import JobRow, SceneRow
from models.db.tables import AUDIT
from models.domain import ids
from models.domain.access import Viewer

OK = "OK"


class CommittedRows(NamedTuple):
    """The job of a change, and scenes that it read or wrote, as its commit left them."""

    job: JobRow
    scenes: Mapping[str, SceneRow]


class AuditContext:
    """The audit entry of the current mutation of an operation. The mutations of an operation run one after another."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.action = ""
        self.object_id: str | None = None
        # Whether a change has written the entry in its own transaction.
        self.written = False
        # What the last change of the mutation has committed.
        self.rows: CommittedRows | None = None
        self.refusals: list[str] = []
        """The codes of the mutations of this operation that were refused or failed."""

    def begin(self, action: str, object_id: str | None) -> None:
        """Begin the next mutation. An object id that is not well-formed is left out: it could be any text."""
        self.action = action
        self.object_id = object_id if object_id is not None and ids.prefix_of(object_id) else None
        self.written = False
        self.rows = None

    def leave_out(self) -> None:
        """Write no entry unless the mutation is refused: it is repeated all the time, and has changed nothing."""
        self.written = True


class Entry(NamedTuple):
    """One entry of the log; `result` is OK or the code of the refusal."""

    id: str
    at: datetime
    actor_id: str
    action: str
    object_id: str | None
    result: str
    request_id: str | None
    token_id: str | None = None
    """The access token that the principal used, if any."""


def entry(
    viewer: Viewer, audit_context: AuditContext, result: str, at: datetime, created_id: str | None = None
) -> Entry:
    """Return the entry of a mutation; `created_id` is its object when the request named none."""
    object_id = audit_context.object_id or created_id
    return Entry(
        ids.new("audit"),
        at,
        viewer.id,
        audit_context.action,
        object_id,
        result,
        audit_context.request_id,
        None if viewer.scope is None else viewer.scope.token_id,
    )


def operator_entry(actor_id: str, action: str, object_id: str, at: datetime) -> Entry:
    """Return the entry of an operator's action at the command line."""
    return Entry(ids.new("audit"), at, actor_id, action, object_id, OK, None)


async def write(connection: Connection, entries: Sequence[Entry]) -> None:
    """Append entries, in the transaction of `connection`."""
    await connection.execute(sa.insert(AUDIT), [each._asdict() for each in entries])
