"""Checks and migration of the database before a server uses it."""

import sqlite3
from contextlib import closing

from coordinator.queue import postgres
from models import migrations
from models.db.database import Database
from server.settings import PREFIX, Settings, WrongSettings, as_wrong_setting

# The key of the Postgres advisory lock of a migration.
MIGRATION_LOCK = 0x5CE9E


def check_opens(settings: Settings) -> None:
    """Raise WrongSettings when the SQLite file cannot be opened or created, or is not a database."""
    with as_wrong_setting("DATABASE_URL"):
        path = Database(settings.database_url).url.database
        with closing(sqlite3.connect(path or ":memory:")) as connection:
            connection.execute("PRAGMA schema_version")


async def check_migrated(settings: Settings) -> None:
    """Raise WrongSettings when the database needs a migration, Unavailable when it does not answer."""
    database = Database(settings.database_url)
    try:
        await database.ping()
        current, newest = await migrations.current(database), migrations.newest()
        queue_ready = current == newest and await postgres.is_installed(database)
    finally:
        await database.close()
    if not queue_ready:
        raise WrongSettings(
            f"{PREFIX}DATABASE_URL: the database is at revision {current or 'none'} and this program needs "
            f"{newest}; run: python -m server migrate"
        )


async def migrate(database: Database) -> bool:
    """Migrate the database to the newest revision, the queue's tables included; return whether anything changed."""
    if database.embedded:
        return await migrations.upgrade(database)
    async with database.connect(database.maintenance) as connection:
        # Concurrent migrations run one after the other. The lock is released with the connection.
        await connection.exec_driver_sql(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
        changed = await migrations.upgrade(database)
        return await postgres.install(database) or changed
