"""Migrated SQLite files for new servers, which would spend a third of their start on migrating an empty one."""

import functools
import tempfile
from pathlib import Path

import sqlalchemy as sa

from models.migrations.run import upgrade
from tests.support.database_choice import database_choice


def create_migrated(folder: Path) -> None:
    """Create the database file of `folder`, unless it exists; on Postgres the template database is migrated."""
    path = folder / database_choice.FILE
    if not database_choice.distributed and not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_empty_database())


@functools.cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            upgrade(connection)
        engine.dispose()
        return path.read_bytes()
