"""The command `restore`: put a backup into an empty database, the media store and the secret's file."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from coordinator.storage.media import MediaStore
from models import migrations
from models.lazy_import import lazily
from server.backup import manifest, media_files, secret, sqlite_database
from server.backup.failures import reported
from server.backup.manifest import DATABASE_FOLDER, BackupError, Manifest, MediaFile
from server.database.database_refusals import refused_as_wrong_setting
from server.database.database_setup import location, opened
from server.database.file_lock import only_server
from server.settings import PREFIX, Settings, as_wrong_setting

if TYPE_CHECKING:
    from server.backup import postgres_database
else:
    postgres_database = lazily("server.backup.postgres_database")

# How many missing files are named.
NAMED = 3


async def restore(settings: Settings, folder: Path) -> int:
    """Check a backup, then restore it; return the exit status.

    The database comes last and in one step, so that an interrupted restore may be repeated. Raises WrongSettings for a
    database that refuses the connection, and for an SQLite file that a server uses.
    """
    with reported("restore") as outcome:
        found = manifest.read(folder)
        files = await asyncio.to_thread(_checked, settings, folder, found)
        if found.database == "sqlite":
            with only_server(settings):
                missing = await _restore_sqlite(settings, folder, found, files)
        else:
            missing = await _restore_postgres(settings, folder, found, files)
        typer.echo(_summary(settings, found, len(files), missing))
    return outcome.status


def _checked(settings: Settings, folder: Path, found: Manifest) -> list[MediaFile]:
    """Return the media files of a complete backup that this deployment can use. Raises BackupError."""
    target = "sqlite" if settings.database_url.startswith("sqlite") else "postgres"
    if found.database != target:
        raise BackupError(
            f"the backup is of {found.database}, and {PREFIX}DATABASE_URL names {target}; a backup is restored into "
            "a database of its own kind"
        )
    files = manifest.check_files(folder, found)
    secret.check(settings, folder)
    if target == "sqlite":
        sqlite_database.check_contents(folder / DATABASE_FOLDER, found.tables)
    return files


async def _restore_sqlite(settings: Settings, folder: Path, found: Manifest, files: Sequence[MediaFile]) -> list[str]:
    sqlite_database.check_target(settings)
    missing = await _restore_files(settings, folder, found, files)
    await sqlite_database.put_in(settings, folder / DATABASE_FOLDER)
    return missing


async def _restore_postgres(settings: Settings, folder: Path, found: Manifest, files: Sequence[MediaFile]) -> list[str]:
    postgres_database.check_contents(folder / DATABASE_FOLDER, found.tables)
    database = opened(settings)
    try:
        with refused_as_wrong_setting("DATABASE_URL", location(settings.database_url)):
            await postgres_database.check_target(database)
        missing = await _restore_files(settings, folder, found, files)
        await postgres_database.put_in(database, folder / DATABASE_FOLDER, found.revision, found.tables)
    finally:
        await database.close()
    return missing


async def _restore_files(settings: Settings, folder: Path, found: Manifest, files: Sequence[MediaFile]) -> list[str]:
    with as_wrong_setting("MEDIA_URL"):
        store = MediaStore(settings.media_url)
    missing = await media_files.restore(store, folder, files, found.media)
    secret.restore(settings, folder)
    return missing


def _summary(settings: Settings, found: Manifest, files: int, missing: Sequence[str]) -> str:
    rows = f"{found.tables['job'].rows} jobs, {found.rows} rows, {files - len(missing)} media files"
    there = f"{location(settings.database_url)} at revision {migrations.newest()}"
    names = ", ".join(missing[:NAMED]) + (", …" if len(missing) > NAMED else "")
    lost = f" {len(missing)} media files are missing in {PREFIX}MEDIA_URL: {names}." if missing else ""
    return f"Restored the backup of {found.made_at:%Y-%m-%d %H:%M:%S} UTC to {there}: {rows}.{lost}"
