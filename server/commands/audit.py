"""The command `audit`: the latest entries of the audit log, newest last."""

from collections.abc import Mapping, Sequence

from models.db import clock
from models.db.database import Database
from models.domain import rfc3339
from models.reads import audit, tokens
from models.writes.audit import Entry
from server.commands import options, reading, table
from server.commands.cells import moment
from server.settings import Settings

Labels = Mapping[str, str | None]
"""The labels of access tokens, by id."""

TOKEN = table.Column("TOKEN", least=table.SHORTEST)
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
            used = {each.token_id for each in entries if each.token_id is not None}
            labels = await tokens.labels(connection, list(used))
        if as_json:
            for entry in entries:
                table.write_json(_document(entry, labels))
        else:
            _show(entries, labels)

    return await reading.read(settings, print_entries)


def _show(entries: Sequence[Entry], labels: Labels) -> None:
    """Print the table, with a column for access tokens where one was used."""
    if any(entry.token_id for entry in entries):
        rows = [(*_row(entry), _token(entry, labels)) for entry in entries]
        table.show(table.console(), (*COLUMNS, TOKEN), rows)
    else:
        table.show(table.console(), COLUMNS, [_row(entry) for entry in entries])


def _row(entry: Entry) -> table.Row:
    return (
        moment(entry.at),
        entry.actor_id,
        entry.action,
        entry.object_id or "-",
        entry.result,
        entry.request_id or "-",
    )


def _token(entry: Entry, labels: Labels) -> str:
    """Return the id of the access token that was used, and its label if it has one."""
    label = labels.get(entry.token_id or "")
    return " ".join(filter(None, (entry.token_id, label))) or "-"


def _document(entry: Entry, labels: Labels) -> dict[str, object]:
    of_token = None if entry.token_id is None else {"id": entry.token_id, "label": labels.get(entry.token_id)}
    return {
        "id": entry.id,
        "at": rfc3339.text(entry.at),
        "user": entry.actor_id,
        "action": entry.action,
        "object": entry.object_id,
        "result": entry.result,
        "requestId": entry.request_id,
        "token": of_token,
    }
