"""The command `backup`: copy the database, the media files and the secret into a folder, while servers run."""

import asyncio
import os
import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from coordinator.storage.media import MediaStore
from coordinator.storage.media_folder import flush_folder
from models.lazy_import import lazily
from server.backup import media_files, secret, sqlite_database
from server.backup.failures import reported
from server.backup.files import flushed, written
from server.backup.manifest import (
    DATABASE_FOLDER,
    FORMAT,
    MEDIA_LIST,
    NAME,
    BackupError,
    Manifest,
    MediaFile,
    MediaMode,
)
from server.backup.snapshot import Snapshot
from server.database.database_setup import check_exists, opened
from server.settings import Settings, as_wrong_setting
from server.version import VERSION

if TYPE_CHECKING:
    from server.backup import postgres_database
else:
    postgres_database = lazily("server.backup.postgres_database")

# What an interrupted backup leaves has this name.
PARTIAL = ".partial"


async def backup(settings: Settings, folder: Path, mode: MediaMode) -> int:
    """Back everything up into a new or empty folder; return the exit status.

    The folder has its name only once everything in it is complete and on the disk. Raises WrongSettings for a database
    that does not exist or is of another revision.
    """
    with reported("backup") as outcome:
        await check_exists(settings)
        with _new_folder(folder) as partial:
            manifest, media = await _fill(settings, partial, mode)
        typer.echo(_summary(manifest, media, folder))
    return outcome.status


@contextmanager
def _new_folder(folder: Path) -> Generator[Path]:
    """Make the folder under another name, which is its own after the block; it is removed after an error."""
    # The rename at the end can replace an empty folder, but neither a link to one nor a mount.
    folder = folder.resolve()
    if folder.is_mount():
        raise BackupError(f"{folder} is a mount point; name a folder in it")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{folder} exists and is not empty")
    partial = folder.with_name(f"{folder.name}{PARTIAL}")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        partial.mkdir(mode=0o700)
    except FileExistsError as error:
        raise BackupError(f"{partial} is of a backup that still runs or was interrupted; remove it") from error
    try:
        yield partial
        for path, _, _ in os.walk(partial):
            flush_folder(Path(path))
        partial.replace(folder)
        flush_folder(folder.parent)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


async def _fill(settings: Settings, folder: Path, mode: MediaMode) -> tuple[Manifest, list[MediaFile]]:
    (folder / DATABASE_FOLDER).mkdir()
    made_at = datetime.now(UTC)
    snapshot = await _database(settings, folder / DATABASE_FOLDER)
    saved = secret.back_up(settings, folder)
    with as_wrong_setting("MEDIA_URL"):
        store = MediaStore(settings.media_url)
    media = await media_files.back_up(store, folder, snapshot, mode)
    media_files.write_list(folder, media)
    copies = {f"{DATABASE_FOLDER}/{name}": found for name, found in snapshot.files.items()}
    manifest = Manifest(
        format=FORMAT,
        version=VERSION,
        revision=snapshot.revision,
        database="sqlite" if settings.database_url.startswith("sqlite") else "postgres",
        made_at=made_at,
        tables=snapshot.tables,
        media=mode,
        files={**copies, **saved, MEDIA_LIST: flushed(folder / MEDIA_LIST)},
    )
    written(folder / NAME, manifest.model_dump_json(indent=2).encode())
    return manifest, media


async def _database(settings: Settings, folder: Path) -> Snapshot:
    if settings.database_url.startswith("sqlite"):
        return await asyncio.to_thread(sqlite_database.copy_out, settings, folder)
    database = opened(settings)
    try:
        return await postgres_database.copy_out(database, folder)
    finally:
        await database.close()


def _summary(manifest: Manifest, media: Sequence[MediaFile], folder: Path) -> str:
    found = [file.size for file in media if file.size is not None]
    files = f"{len(found)} media files ({sum(found) / 1e6:.1f} MB{'' if manifest.media == 'copy' else ', not copied'})"
    missing = len(media) - len(found)
    lost = f" {missing} media files were missing in the store; {MEDIA_LIST} has them without a size." if missing else ""
    rows = f"{manifest.tables['job'].rows} jobs, {manifest.rows} rows"
    return f"Backed up revision {manifest.revision} to {folder}: {rows}, {files}.{lost}"
