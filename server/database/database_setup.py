"""Checks and migration of the database before a command uses it."""

import asyncio
import importlib
import sqlite3
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import sqlalchemy as sa

from models import migrations
from models.db.database import Connection, Database
from models.db.pooler import Pooler
from models.db.unavailable import translate_errors
from models.lazy_import import lazily
from server.database.database_refusals import refused_as_wrong_setting
from server.settings import PREFIX, Settings, WrongSettings, as_wrong_setting

if TYPE_CHECKING:
    from coordinator.bus import listener
else:
    listener = lazily("coordinator.bus.listener")

# The key of the Postgres advisory lock of a migration.
MIGRATION_LOCK = 0x5CE9E
LOCK_POLL_SECONDS = 0.2


def location(database_url: str | sa.URL) -> str:
    """Return the file of an SQLite database, or the URL of a Postgres database without its password."""
    url = sa.make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    return url.difference_update_query(["password", "passfile"]).render_as_string(hide_password=True)


def opened(settings: Settings) -> Database:
    """Return the database of the settings; nothing connects yet."""
    return Database(settings.database_url, settings.database_direct_url, synchronous=settings.sqlite_synchronous)


def check_opens(settings: Settings) -> None:
    """Raise WrongSettings when the SQLite file cannot be opened or created, is not a database, or is of a newer
    program."""
    with as_wrong_setting("DATABASE_URL"):
        Path(location(settings.database_url)).parent.mkdir(parents=True, exist_ok=True)
        revision = _sqlite_revision(settings, mode="rwc")
    check_known(revision)


async def check_exists(settings: Settings) -> None:
    """Raise WrongSettings unless the database exists and is at the revision of this program. Creates nothing.

    Raises Unavailable when the database does not answer.
    """
    if not settings.database_url.startswith("sqlite"):
        await check_migrated(settings)
        return
    with as_wrong_setting("DATABASE_URL"):
        exists = await asyncio.to_thread(Path(location(settings.database_url)).is_file)
    if not exists:
        raise WrongSettings(f"{PREFIX}DATABASE_URL: there is no database at {location(settings.database_url)}")
    with as_wrong_setting("DATABASE_URL"):
        revision = await asyncio.to_thread(_sqlite_revision, settings, mode="rw")
    check_known(revision)
    if revision != migrations.newest():
        raise _not_migrated(revision)


async def check_migrated(settings: Settings) -> None:
    """Raise WrongSettings when the Postgres database refuses the connection or needs a migration.

    Raises Unavailable when it does not answer.
    """
    database = opened(settings)
    try:
        await check_connections(database)
        with refused_as_wrong_setting("DATABASE_URL", location(database.url)):
            current = await migrations.current(database)
        queue_ready = current == migrations.newest() and await _queue().is_installed(database)
    finally:
        await database.close()
    check_known(current)
    if not queue_ready:
        raise _not_migrated(current)


def check_known(revision: str | None) -> None:
    """Raise WrongSettings for a revision of a newer program."""
    if revision is not None and revision not in migrations.known():
        raise WrongSettings(
            f"{PREFIX}DATABASE_URL: the database is at revision {revision}, which is newer than this program's "
            f"{migrations.newest()}; update the program, or run with the newer one: python -m server migrate --to "
            f"{migrations.newest()}"
        )


async def migrate(database: Database, revision: str | None = None) -> bool:
    """Migrate to a revision, the newest by default, the queue's tables included; return whether anything changed.

    Raises WrongSettings for a database that refuses the connection or is newer than this program, Unavailable when it
    does not answer, NotImplementedError for a migration without a downgrade.
    """
    target = revision or migrations.newest()
    if database.embedded:
        return await _move(database, target)
    await check_connections(database)
    with refused_as_wrong_setting(_direct_name(database), location(database.direct_url)):
        async with database.connect(database.maintenance) as connection:
            # Concurrent migrations run one after the other. The lock is released with the connection.
            await _lock_migrations(connection)
            changed = await _move(database, target)
            return await _queue().install(database) or changed


async def _lock_migrations(connection: Connection) -> None:
    """Wait for the lock, which the session has until its end.

    Not in a statement that waits, and without an open transaction afterwards: CREATE INDEX CONCURRENTLY waits for the
    end of both, and Postgres would not see that two processes wait for each other.
    """
    attempt = sa.text(f"SELECT pg_try_advisory_lock({MIGRATION_LOCK})")
    while True:
        locked = (await connection.execute(attempt)).scalar()
        await connection.commit()
        if locked:
            return
        await asyncio.sleep(LOCK_POLL_SECONDS)


async def _move(database: Database, revision: str) -> bool:
    check_known(await migrations.current(database))
    return await migrations.move(database, revision)


async def check_connections(database: Database) -> None:
    """Raise WrongSettings when Postgres refuses a connection or a pooler keeps no sessions, Unavailable when the
    database does not answer."""
    with refused_as_wrong_setting("DATABASE_URL", location(database.url)):
        await database.ping()
    name = _direct_name(database)
    arguments = database.connect_arguments("start")
    with refused_as_wrong_setting(name, location(database.direct_url)), translate_errors():
        keeps_sessions = not await Pooler(arguments).present() or await listener.receives_notifications(arguments)
    if not keeps_sessions:
        raise WrongSettings(
            f"{PREFIX}{name}: this is a connection pooler that gives each transaction another session; notifications, "
            f"the queue and migrations need one: set {PREFIX}DATABASE_DIRECT_URL to the address of Postgres itself"
        )


def _queue() -> ModuleType:
    """Return the module of the queue on Postgres. SQLite does not need PgQueuer, which is slow to import."""
    return importlib.import_module("coordinator.queue.postgres")


def _direct_name(database: Database) -> str:
    """Return the variable with the address of connections that need a session."""
    return "DATABASE_URL" if database.direct_url == database.url else "DATABASE_DIRECT_URL"


def _sqlite_revision(settings: Settings, *, mode: str) -> str | None:
    """Return the revision of the SQLite file, None for an empty one. `mode` is that of SQLite's URI filenames: rw, or
    rwc to create the file."""
    address = f"{Path(location(settings.database_url)).absolute().as_uri()}?mode={mode}"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        # Reads the file's header, which a query of an empty file does not.
        connection.execute("PRAGMA schema_version")
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
    return None if row is None else str(row[0])


def _not_migrated(revision: str | None) -> WrongSettings:
    return WrongSettings(
        f"{PREFIX}DATABASE_URL: the database is at revision {revision or 'none'} and this program needs "
        f"{migrations.newest()}; run: python -m server migrate"
    )
