"""Alembic migrations, applied by `migrate` and, on SQLite, at start."""

import asyncio
import importlib
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from models.db.cancellation import raise_if_cancelled
from models.db.database import Database
from models.migrations import online
from models.writes import titles

# Shorter than the wait of writers for a lock, see `models.db.engines`.
LOCK_SECONDS = 0.5
# https://www.postgresql.org/docs/current/errcodes-appendix.html
LOCK_NOT_AVAILABLE = "55P03"
INSUFFICIENT_PRIVILEGE = "42501"

FOLDER = Path(__file__).parent


def known() -> list[str]:
    """Return the revisions of this program, oldest first: the prefixes of the migration files."""
    return sorted(file.name.partition("_")[0] for file in (FOLDER / "versions").glob("[0-9]*.py"))


def newest() -> str:
    """Return the revision that this code expects."""
    return known()[-1]


async def current(database: Database) -> str | None:
    """Return the revision of the database; None for an empty one. Raises DBAPIError for a role that may not read it."""
    try:
        async with database.reader.connect() as connection:
            return (await connection.execute(sa.text("SELECT version_num FROM alembic_version"))).scalar()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
            raise
        return None


async def upgrade(database: Database) -> bool:
    """Apply missing migrations, as `move` does; return whether there were any."""
    return await move(database, newest())


async def move(database: Database, revision: str) -> bool:
    """Upgrade or downgrade to one of the known revisions; return whether anything changed.

    In one transaction on SQLite. On Postgres, what takes long in a large database is made between two transactions,
    while other processes work; an upgrade that was interrupted there goes on when it is repeated.

    Raises NotImplementedError for a migration without a downgrade.
    """
    before = await current(database)
    if before == revision:
        return False
    # Importing Alembic takes a third of a second, and most starts do not need it.
    run = importlib.import_module("models.migrations.run")
    step = run.downgrade if before is not None and before > revision else run.upgrade
    if step is run.upgrade and not database.embedded:
        for stage in online.stages(before, revision):
            if (before or "") < stage.prepared:
                await _step(database, step, stage.prepared)
            await stage.build(database)
    await _step(database, step, revision)
    if revision == newest():
        await titles.fold_missing(database)
    return True


async def _step(database: Database, step: Callable[[sa.Connection, str], None], revision: str) -> None:
    """Make the steps to a revision in one transaction.

    On Postgres, a step that waits for the lock of a table makes all later writers wait as well: it gives way to them,
    and is tried again.
    """
    while True:
        try:
            async with database.maintenance.begin() as connection:
                if not database.embedded:
                    await connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(LOCK_SECONDS * 1000)}")
                await connection.run_sync(step, revision)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            raise_if_cancelled(error)
            await asyncio.sleep(LOCK_SECONDS)
        else:
            return
