"""The command `audit`: the latest entries of the audit log, newest last."""

from models.db import clock
from models.db.database import Database
from models.domain import rfc3339
from models.reads import audit
from models.writes.audit import Entry
from server.commands import options, reading, table
from server.commands.cells import moment
from server.settings import Settings

COLUMNS = (
    table.Column("AT (UTC)"),
    table.Column("USER", least=table.SHORTEST),
    table.Column("ACTION"),
    table.Column("OBJECT", dispensable=1),
    table.Column("RESULT"),
    table.Column("REQUEST", least=table.SHORTEST, dispensable=2),
)


async def show(
    settings: Settings,
    *,
    request: str | None,
    user: str | None,
    job: str | None,
    since: str | None,
    until: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """Print the latest entries that match; return the exit status. Raises WrongSettings, also for a wrong option."""
    now = clock.now()
    query = audit.AuditQuery(
        request,
        user,
        options.checked_id("--job", job, "job"),
        options.instant("--since", since, now),
        options.instant("--until", until, now),
    )

    async def print_entries(database: Database) -> None:
        async with reading.moment(database) as connection:
            entries = await audit.latest(connection, query, limit)
        if as_json:
            for entry in entries:
                table.write_json(_document(entry))
        else:
            table.show(table.console(), COLUMNS, [_row(entry) for entry in entries])

    return await reading.read(settings, print_entries)


def _row(entry: Entry) -> table.Row:
    return (
        moment(entry.at),
        entry.actor_id,
        entry.action,
        entry.object_id or "-",
        entry.result,
        entry.request_id or "-",
    )


def _document(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id,
        "at": rfc3339.text(entry.at),
        "user": entry.actor_id,
        "action": entry.action,
        "object": entry.object_id,
        "result": entry.result,
        "requestId": entry.request_id,
    }
