"""What one moment of a database holds, as a backup of it has copied it."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import SQLModel

from models.db import asset_tables, lease_tables, tables, token_tables, turn_tables
from server.backup.files import FileSum
from server.backup.manifest import Table

# Importing them fills the metadata.
_MODULES = (tables, turn_tables, asset_tables, lease_tables, token_tables)

# Tables that are not copied: triggers and the restore make their rows again from the other tables, the reconciler makes
# the tickets of PgQueuer again at every start, and `alembic_version` is the revision of the manifest.
DERIVED = frozenset({"alembic_version", "jobtitle", "jobcount"})
QUEUE_PREFIX = "pgqueuer"


class Snapshot(NamedTuple):
    """The revision, the tables, the keys of media that rows refer to, the id and parts of each unfinished upload, and
    the files that were written."""

    revision: str
    tables: dict[str, Table]
    keys: list[str]
    uploads: list[tuple[str, str]]
    files: dict[str, FileSum]


def modelled_tables() -> list[sa.Table]:
    """Return the tables that a backup copies, those first that others refer to."""
    return list(SQLModel.metadata.sorted_tables)
