"""Alembic migrations, applied by `migrate` and, on SQLite, at start."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from models.database import Database

FOLDER = Path(__file__).parent


def config() -> Config:
    """The Alembic configuration; there is no ini file."""
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings


def newest() -> str | None:
    """The revision that this code expects."""
    return ScriptDirectory.from_config(config()).get_current_head()


async def current(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    async with database.reader.connect() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def upgrade(database: Database) -> bool:
    """Bring the database up to date in one transaction; whether there was anything to do."""
    if await current(database) == newest():
        return False

    def run(connection: sa.Connection) -> None:
        settings = config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")

    async with database.writer.begin() as connection:
        await connection.run_sync(run)
    return True
