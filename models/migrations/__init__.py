"""Alembic migrations, applied by `migrate` and, on SQLite, at start."""

import importlib
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from models.db.database import Database
from models.writes import titles

FOLDER = Path(__file__).parent


def known() -> list[str]:
    """Return the revisions of this program, oldest first: the prefixes of the migration files."""
    return sorted(file.name.partition("_")[0] for file in (FOLDER / "versions").glob("[0-9]*.py"))


def newest() -> str:
    """Return the revision that this code expects."""
    return known()[-1]


async def current(database: Database) -> str | None:
    """Return the revision of the database; None for an empty one."""
    try:
        async with database.reader.connect() as connection:
            return (await connection.execute(sa.text("SELECT version_num FROM alembic_version"))).scalar()
    except DBAPIError:
        return None


async def upgrade(database: Database) -> bool:
    """Apply missing migrations in one transaction; return whether there were any."""
    return await move(database, newest())


async def move(database: Database, revision: str) -> bool:
    """Upgrade or downgrade to one of the known revisions in one transaction; return whether anything changed.

    Raises NotImplementedError for a migration without a downgrade.
    """
    before = await current(database)
    if before == revision:
        return False
    # Importing Alembic takes a third of a second, and most starts do not need it.
    run = importlib.import_module("models.migrations.run")
    step = run.downgrade if before is not None and before > revision else run.upgrade
    async with database.maintenance.begin() as connection:
        await connection.run_sync(step, revision)
    if revision == newest():
        await titles.fold_missing(database)
    return True
