"""The database of a backup, for SQLite: a copy of the file by the online backup API.

Not a copy of the file by the system: its newest commits are in the file beside it, the write-ahead log, and what the
two hold together changes while they are read one after the other.
"""

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from coordinator.storage.media_folder import flush_folder
from models.db.database import Database
from models.migrations import known
from server.backup.files import copied, flushed
from server.backup.manifest import SQLITE_FILE, BackupError, Table
from server.backup.references import MEDIA_KEYS, UPLOADED
from server.backup.snapshot import Snapshot, modelled_tables
from server.database.database_setup import location, migrate
from server.settings import Settings

# Beside the database; left behind by a restore that was killed, and replaced by the next.
RESTORING = ".restoring"


def copy_out(settings: Settings, folder: Path) -> Snapshot:
    """Copy the database into the folder while servers write to it; return what the copy holds.

    The copy is made by one read transaction: writers go on meanwhile. Raises BackupError for a damaged database.
    """
    target = folder / SQLITE_FILE
    with _opened(Path(location(settings.database_url))) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        # Without a write-ahead log, the copy is one file.
        copy.execute("PRAGMA journal_mode=DELETE")
        ((state,),) = copy.execute("PRAGMA quick_check(1)")
        if state != "ok":
            raise BackupError(f"the database is damaged: {state}")
        revision = _revision(copy)
        keys = [key for (key,) in copy.execute(MEDIA_KEYS)]
        uploaded = [(str(key), str(parts)) for key, parts in copy.execute(UPLOADED)]
        tables = {table.name: _table(copy, table) for table in modelled_tables()}
    return Snapshot(revision, tables, keys, uploaded, {SQLITE_FILE: flushed(target)})


def check_contents(folder: Path, tables: dict[str, Table]) -> None:
    """Raise BackupError unless the copy has the rows that the manifest names."""
    with _opened(folder / SQLITE_FILE, mode="ro&immutable=1") as copy:
        for name, table in tables.items():
            _check_rows(name, table, int(copy.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]))  # noqa: S608 # hashed


def check_target(settings: Settings) -> None:
    """Raise BackupError unless the database does not exist, or is of this program and has no rows."""
    path = Path(location(settings.database_url))
    if not path.exists():
        return
    with _opened(path) as database:
        existing = {str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        # The restore replaces the file.
        if existing and ("alembic_version" not in existing or _revision(database) not in known()):
            raise BackupError(f"{path} is the database of another program; name a file that does not exist yet")
        for table in modelled_tables():
            if table.name in existing and database.execute(f'SELECT 1 FROM "{table.name}" LIMIT 1').fetchone():  # noqa: S608 # our own names
                raise BackupError(f"{path} has rows in {table.name}; name a file that does not exist yet")


async def put_in(settings: Settings, folder: Path) -> None:
    """Put the copy, migrated to the newest revision, in the place of the database, by one rename.

    No server uses the database meanwhile. Raises OSError.
    """
    target, temporary = _copy_beside(settings, folder)
    database = Database(sa.make_url(settings.database_url).set(database=str(temporary)).render_as_string(False))
    try:
        await migrate(database)
    finally:
        await database.close()
    _put_in_place(temporary, target)


def _copy_beside(settings: Settings, folder: Path) -> tuple[Path, Path]:
    """Return the path of the database, and that of the new copy beside it."""
    # A rename must replace the file, not a link to it.
    target = Path(os.path.realpath(location(settings.database_url)))
    temporary = target.with_name(f"{target.name}{RESTORING}")
    _remove(temporary)
    copied(folder / SQLITE_FILE, temporary)
    return target, temporary


def _put_in_place(temporary: Path, target: Path) -> None:
    with _opened(temporary) as migrated:
        migrated.execute("PRAGMA journal_mode=DELETE")
    flushed(temporary)
    # What an earlier, empty database left would be taken for the log of this one.
    _remove(target)
    temporary.replace(target)
    flush_folder(target.parent)


def _remove(path: Path) -> None:
    """Remove a database file and what SQLite keeps beside it, if it exists."""
    for suffix in ("-wal", "-shm", "-journal", ""):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


def _revision(database: sqlite3.Connection) -> str:
    """Return the revision of a database; an empty one has none."""
    row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    return "" if row is None else str(row[0])


def _table(copy: sqlite3.Connection, table: sa.Table) -> Table:
    rows = int(copy.execute(f'SELECT count(*) FROM "{table.name}"').fetchone()[0])  # noqa: S608 # our own names
    return Table(columns=[column.name for column in table.columns], rows=rows)


def _check_rows(name: str, table: Table, rows: int) -> None:
    if rows != table.rows:
        raise BackupError(f"the backup has {rows} rows of {name}, and its manifest names {table.rows}")


@contextmanager
def _opened(path: Path, mode: str = "rw") -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)) as connection:
        connection.isolation_level = None
        yield connection
