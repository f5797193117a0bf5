"""Alembic migrations, applied by `migrate` and, on SQLite, at start."""

import importlib
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from models.db.database import Database

FOLDER = Path(__file__).parent


def newest() -> str:
    """Return the revision that this code expects: the highest prefix of the migration files."""
    return max(file.name.partition("_")[0] for file in (FOLDER / "versions").glob("[0-9]*.py"))


async def current(database: Database) -> str | None:
    """Return the revision of the database; None for an empty one."""
    try:
        async with database.reader.connect() as connection:
            return (await connection.execute(sa.text("SELECT version_num FROM alembic_version"))).scalar()
    except DBAPIError:
        return None


async def upgrade(database: Database) -> bool:
    """Apply missing migrations in one transaction; return whether there were any."""
    if await current(database) == newest():
        return False
    # Importing Alembic takes a third of a second, and most starts do not need it.
    run = importlib.import_module("models.migrations.run")
    async with database.maintenance.begin() as connection:
        await connection.run_sync(run.upgrade)
    return True
