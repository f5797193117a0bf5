"""The manifest of a backup: what it holds, and how to check that it is complete and undamaged."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from models import migrations
from models.migrations import known
from server.backup.files import FileSum, summed

FORMAT = 1
NAME = "manifest.json"
DATABASE_FOLDER, MEDIA_FOLDER = "database", "media"
MEDIA_LIST, SECRET = "media.jsonl", "secret.key"
SQLITE_FILE = "scenewire.db"

DatabaseKind = Literal["sqlite", "postgres"]
MediaMode = Literal["copy", "reference"]


class BackupError(Exception):
    """A backup cannot be made, is damaged, or cannot be restored here. The message is one sentence for the operator."""


def _inside(name: str) -> str:
    """Raise ValueError unless a name is a plain path that does not leave the folder it is joined to."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or str(path) != name or "\0" in name:
        raise ValueError("it is not the path of a file inside of a backup")
    return name


InnerPath = Annotated[str, AfterValidator(_inside)]
# Of a table or column. It becomes a part of SQL and of the name of a file.
Identifier = Annotated[str, StringConstraints(pattern="^[a-z0-9_]+$")]


class Table(BaseModel):
    """A table of the database: its columns in the order in which they were copied, and the number of its rows."""

    model_config = ConfigDict(frozen=True)

    columns: list[Identifier]
    rows: int = Field(ge=0)


class MediaFile(BaseModel):
    """A stored file that the database refers to.

    `size` is None for one that was missing in the store. A file that was copied has its SHA-256, one that was left in
    the store has the store's entity tag.
    """

    model_config = ConfigDict(frozen=True)

    key: InnerPath
    size: int | None = None
    sha256: str | None = None
    etag: str | None = None

    @property
    def path(self) -> Path:
        """The place of the copy below the folder of the backup."""
        return Path(MEDIA_FOLDER) / self.key


class Manifest(BaseModel):
    """The contents of a backup. `tables` are in an order in which rows follow those that they refer to."""

    model_config = ConfigDict(frozen=True)

    format: int
    version: str
    revision: str
    database: DatabaseKind
    made_at: datetime
    tables: dict[Identifier, Table]
    media: MediaMode
    # The files beside this one, without those of media, by their paths.
    files: dict[InnerPath, FileSum]

    @property
    def needed(self) -> set[str]:
        """The files that a backup cannot do without; `files` has them, or the manifest is damaged."""
        database = {SQLITE_FILE} if self.database == "sqlite" else {file_of(table) for table in self.tables}
        return {MEDIA_LIST, *(f"{DATABASE_FOLDER}/{name}" for name in database)}

    @property
    def rows(self) -> int:
        """The number of rows of all tables."""
        return sum(table.rows for table in self.tables.values())


def file_of(table: str) -> str:
    """Return the name of the file with the rows of a table of Postgres."""
    return f"{table}.copy"


def read(folder: Path) -> Manifest:
    """Return the manifest of a complete backup of a format and revision that this program knows. Raises BackupError."""
    if not folder.is_dir():
        raise BackupError(f"{folder} is not a folder")
    try:
        text = (folder / NAME).read_bytes()
    except FileNotFoundError as error:
        raise BackupError(f"{folder} is not a backup: it has no {NAME}; an interrupted backup has none") from error
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise BackupError(f"{folder / NAME} is damaged, or of another program") from error
    if manifest.format != FORMAT or manifest.revision not in known():
        raise BackupError(
            f"{folder} has format {manifest.format} and revision {manifest.revision} of Scenewire {manifest.version}; "
            f"this program reads format {FORMAT} and revisions up to {migrations.newest()}"
        )
    if "job" not in manifest.tables or not manifest.needed <= manifest.files.keys():
        raise BackupError(f"{folder / NAME} is damaged: it does not name every file of a backup")
    return manifest


def check_files(folder: Path, manifest: Manifest) -> list[MediaFile]:
    """Return the media files of a backup. Raises BackupError for a file that is missing or differs from its sum."""
    for name, expected in manifest.files.items():
        _check(folder, name, expected)
    media = list(_media(folder))
    if manifest.media == "copy":
        for each in media:
            if each.size is not None:
                _check(folder, str(each.path), FileSum(size=each.size, sha256=each.sha256 or ""))
    return media


def _check(folder: Path, name: str, expected: FileSum) -> None:
    try:
        found = summed(folder / name)
    except OSError as error:
        raise BackupError(f"{folder / name} cannot be read: {error.strerror}") from error
    if found != expected:
        raise BackupError(f"{folder / name} is damaged: its size or SHA-256 is not the one of {NAME} or {MEDIA_LIST}")


def _media(folder: Path) -> Iterator[MediaFile]:
    with (folder / MEDIA_LIST).open("rb") as lines:
        for line in lines:
            try:
                yield MediaFile.model_validate_json(line)
            except ValidationError as error:
                raise BackupError(f"{folder / MEDIA_LIST} has a line that no backup writes: {line!r}") from error
