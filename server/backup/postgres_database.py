"""The database of a backup, for Postgres: one file for each table, in the text format of COPY, from one snapshot."""

import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none

from models import migrations
from models.db.database import Database
from models.writes import job_counts
from server.backup.files import FileSum, flushed
from server.backup.manifest import BackupError, Table, file_of
from server.backup.references import MEDIA_KEYS, UPLOADED
from server.backup.snapshot import Snapshot, modelled_tables
from server.database.database_setup import migrate

COPIED_BYTES = 1024 * 1024
# As pg_dump does: what a role or a database sets must not change the text of COPY (03/04 is a day of March or of
# April), hide rows, or end what takes long.
_SETTINGS = {
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "row_security": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
}
# Not every version of Postgres knows each of them.
_SET = """
SELECT set_config(key, value, false) FROM json_each_text($1) WHERE key IN (SELECT lower(name) FROM pg_settings)
"""


async def copy_out(database: Database, folder: Path) -> Snapshot:
    """Copy the tables into the folder while servers and workers write to them; return what the copies hold.

    Raises BackupError when the tables are migrated meanwhile.
    """
    tables, files = dict[str, Table](), dict[str, FileSum]()
    async with _session(database) as session, session.transaction(isolation="repeatable_read", readonly=True):
        # Before the snapshot, which the first query takes: a table that a migration rewrites later would look empty.
        await session.execute(f"LOCK TABLE {_quoted(table.name for table in modelled_tables())} IN ACCESS SHARE MODE")
        revision = str(await session.fetchval("SELECT version_num FROM alembic_version"))
        if revision != migrations.newest():
            raise BackupError("the database was migrated meanwhile; back it up with the program of its revision")
        for table in modelled_tables():
            path, columns = folder / file_of(table.name), [column.name for column in table.columns]
            status = await session.copy_from_table(table.name, output=path, columns=columns, format="text")
            tables[table.name] = Table(columns=columns, rows=_rows_of(status))
            files[path.name] = flushed(path)
        keys = [str(key) for (key,) in await session.fetch(MEDIA_KEYS)]
        uploads = [(str(key), str(parts)) for key, parts in await session.fetch(UPLOADED)]
    return Snapshot(revision, tables, keys, uploads, files)


def check_contents(folder: Path, tables: dict[str, Table]) -> None:
    """Raise BackupError unless each file has the rows that the manifest names: one line is one row."""
    for name, table in tables.items():
        rows = 0
        with (folder / file_of(name)).open("rb") as file:
            while chunk := file.read(COPIED_BYTES):
                rows += chunk.count(b"\n")
        if rows != table.rows:
            raise BackupError(f"the backup has {rows} rows of {name}, and its manifest names {table.rows}")


async def check_target(database: Database) -> None:
    """Raise BackupError unless the database is empty: without our tables, or without rows in them."""
    async with _session(database) as session:
        await _check_empty(session, (table.name for table in modelled_tables()))


async def put_in(database: Database, folder: Path, revision: str, tables: dict[str, Table]) -> None:
    """Fill an empty database: migrate it to the revision of the backup, copy all rows in, migrate to the newest.

    The rows are copied in one transaction. An interruption before its end leaves empty tables; after it, what is left
    is done by `migrate`. Raises BackupError when there are rows, and when the backup does not fit the revision.
    """
    await migrate(database, revision)
    async with _session(database) as session:
        try:
            async with session.transaction():
                await _copy_in(session, folder, tables)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.SyntaxOrAccessError) as error:
            raise BackupError(f"the backup does not fit revision {revision}: {error}") from error
    await migrate(database)
    await job_counts.merge(database)
    async with _session(database) as session:
        await session.execute("ANALYZE")


async def _copy_in(session: Any, folder: Path, tables: dict[str, Table]) -> None:
    # A server that starts meanwhile waits before its first row.
    await session.execute(f"LOCK TABLE {_quoted(tables)} IN ACCESS EXCLUSIVE MODE")
    await _check_empty(session, tables)
    for name, table in tables.items():
        path = folder / file_of(name)
        status = await session.copy_to_table(name, source=path, columns=table.columns, format="text")
        if _rows_of(status) != table.rows:
            raise BackupError(f"{_rows_of(status)} rows of {name} arrived, and the manifest names {table.rows}")


async def _check_empty(session: Any, names: Iterable[str]) -> None:
    for name in names:
        exists = await session.fetchval("SELECT to_regclass(quote_ident($1)) IS NOT NULL", name)
        if exists and await session.fetchval(f'SELECT EXISTS (SELECT 1 FROM "{name}")'):  # noqa: S608 # a table's name
            raise BackupError(f"the database has rows in {name}; create an empty database")


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _rows_of(status: str) -> int:
    """Return the number in the answer to COPY, such as `COPY 12`."""
    return int(status.rpartition(" ")[2])


@asynccontextmanager
async def _session(database: Database) -> AsyncGenerator[Any]:
    """Open a connection of its own, whose statements may take as long as they need."""
    arguments = database.connect_arguments("backup") | {"command_timeout": None}
    connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # untyped
    session = await connect(**arguments)
    try:
        await session.execute(_SET, json.dumps(_SETTINGS))
        yield session
    finally:
        session.terminate()
