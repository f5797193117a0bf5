"""Alembic migrations, applied by `migrate` and, on SQLite, at start."""

import importlib
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from models.db.database import Database

FOLDER = Path(__file__).parent


def newest() -> str:
    """The revision that this code expects: file names begin with it, and it only grows."""
    return max(file.name.partition("_")[0] for file in (FOLDER / "versions").glob("[0-9]*.py"))


async def current(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    try:
        async with database.reader.connect() as connection:
            return (await connection.execute(sa.text("SELECT version_num FROM alembic_version"))).scalar()
    except DBAPIError:
        return None


async def upgrade(database: Database) -> bool:
    """Bring the database up to date in one transaction; whether there was anything to do."""
    if await current(database) == newest():
        return False
    # Alembic takes a third of a second to import, and at nearly every start there is nothing for it to do.
    run = importlib.import_module("models.migrations.run")
    async with database.maintenance.begin() as connection:
        await connection.run_sync(run.upgrade)
    return True
