"""The database: whether it answers and can be written, its revision, its room, and its clock."""

import asyncio
import importlib
import os
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from models import migrations
from models.db import clock
from models.db.cancellation import raise_if_cancelled
from models.db.database import Connection, Database
from models.domain.errors import Unavailable
from server.commands.doctor.findings import Check, Finding, Findings, State, apart
from server.database.database_refusals import explained, refused_as_wrong_setting
from server.database.database_setup import check_connections, location, opened
from server.settings import PREFIX, Settings, WrongSettings

URL = f"{PREFIX}DATABASE_URL"
MIGRATE = "run: python -m server migrate"
# Older ones lack what the queries use.
OLDEST_POSTGRES = 13
LARGEST_SKEW = timedelta(seconds=1)
SAMPLES = 5
# A commit of another process may hold the lock for a moment.
LOCK_SECONDS = 5.0
# A server gives an attempt up soon, as the next one may be faster; one that fails alone says little.
ATTEMPTS, PAUSE_SECONDS = 5, 0.5
LITTLE_BYTES = 1_000_000_000


async def _database(settings: Settings) -> Findings:
    look = _sqlite if settings.database_url.startswith("sqlite") else _postgres
    async for finding in look(settings):
        yield finding


def room(check: str, folder: Path) -> Finding:
    """Return what is left on the disk of a folder."""
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB are free in {folder}"
    if free >= LITTLE_BYTES:
        return Finding(check, State.OK, found)
    return Finding(check, State.WARN, found, "make room: without any, changes and clips cannot be stored")


async def _sqlite(settings: Settings) -> Findings:
    path = Path(location(settings.database_url))
    if not await apart(path.is_file):
        folder = await apart(lambda: next(each for each in path.absolute().parents if each.is_dir()))
        if os.access(folder, os.W_OK):
            found = f"there is no file {path} yet"
            yield Finding("database", State.WARN, found, f"`serve` makes it when it starts first, or {MIGRATE}")
        else:
            todo = f"let this user write there, or set {URL}"
            yield Finding("database", State.FAIL, f"there is no file {path}, and {folder} cannot be written", todo)
        return
    try:
        revision = await apart(lambda: _try_file(path))
    except sqlite3.Error as error:
        todo = f"let this user write the file and its folder, stop what holds it, or set {URL} to another file"
        yield Finding("database", State.FAIL, f"{path}: {error}", todo)
        return
    yield Finding("database", State.OK, f"{path} can be read and written")
    yield _revision(revision, embedded=True)
    yield await apart(lambda: room("database", path.parent))
    yield Finding("clock", State.OK, "that of this machine: the database is a file")


def _try_file(path: Path) -> str | None:
    """Begin to write and undo it; return the revision. Raises sqlite3.Error."""
    address = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=LOCK_SECONDS, isolation_level=None)) as connection:
        # Reads the file's header, which a query of an empty file does not.
        connection.execute("PRAGMA schema_version")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
    return None if row is None else str(row[0])


def _revision(revision: str | None, *, embedded: bool) -> Finding:
    newest = migrations.newest()
    if revision == newest:
        return Finding("revision", State.OK, f"{newest}, the newest")
    if revision is not None and revision not in migrations.known():
        found = f"{revision}, which is of a newer program than this one: that has {newest}"
        return Finding("revision", State.FAIL, found, "update this program, or migrate back with the newer one")
    found = f"{revision or 'none'}, behind this program's {newest}"
    if embedded:
        return Finding(
            "revision", State.WARN, found, f"back up the file; `serve` migrates it when it starts, or {MIGRATE}"
        )
    return Finding("revision", State.FAIL, found, MIGRATE)


async def _postgres(settings: Settings) -> Findings:
    database = opened(settings)
    try:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with refused_as_wrong_setting("DATABASE_URL", location(database.url)):
                    findings = [each async for each in _look_inside(database)]
            except WrongSettings as error:
                yield Finding(
                    "database", State.FAIL, str(error), f"correct {URL}, the role, or the rules of the server"
                )
                return
            except Unavailable as error:
                if attempt == ATTEMPTS:
                    todo = f"start Postgres, or correct {URL}; look at what is between"
                    yield Finding("database", State.FAIL, f"{location(database.url)}: {explained(error)}", todo)
                    return
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            for each in findings:
                yield each
            if attempt > 1:
                found = f"it answered in time only at attempt {attempt}"
                yield Finding(
                    "database", State.WARN, found, "look at the load of this machine, of Postgres, and between"
                )
            return
    finally:
        await database.close()


async def _look_inside(database: Database) -> Findings:
    await check_connections(database)
    async with database.connect(database.maintenance) as connection:
        version = str((await connection.exec_driver_sql("SHOW server_version")).scalar())
        number = int(str((await connection.exec_driver_sql("SHOW server_version_num")).scalar()))
        found = f"Postgres {version} answers, and LISTEN works: {location(database.url)}"
        if number < OLDEST_POSTGRES * 10_000:
            yield Finding("database", State.FAIL, found, f"update it to {OLDEST_POSTGRES} or newer")
        else:
            yield Finding("database", State.OK, found)
        yield await _skew(connection)
        await connection.rollback()
        revision = await migrations.current(database)
        yield _revision(revision, embedded=False)
        if revision != migrations.newest():
            return
        if not await importlib.import_module("coordinator.queue.postgres").is_installed(database):
            yield Finding("revision", State.FAIL, "the tables of the queue are missing", MIGRATE)
        yield await _writable(connection)


async def _skew(connection: Connection) -> Finding:
    """Return how far the clocks differ: that of the database is read half a round trip before its answer is here.

    It is read a few times, and the shortest round trip counts; a difference that the round trip may explain is none.
    """
    took, skew = min([await _sample(connection) for _ in range(SAMPLES)])
    ahead = "ahead of" if skew > timedelta() else "behind"
    found = f"that of the database is {abs(skew).total_seconds():.3f} s {ahead} this machine's"
    if abs(skew) - took / 2 <= LARGEST_SKEW:
        return Finding("clock", State.OK, found)
    todo = "let NTP set the clocks of both machines; signed links and tokens use this machine's"
    return Finding("clock", State.WARN, found, todo)


async def _sample(connection: Connection) -> tuple[timedelta, timedelta]:
    """Return how long the database took to return its time, and how far its clock is ahead."""
    before = clock.now()
    theirs = await clock.current(connection)
    took = clock.now() - before
    return took, theirs - (before + took / 2)


async def _writable(connection: Connection) -> Finding:
    try:
        # Postgres checks privileges and read-only transactions also when no row is changed.
        await connection.exec_driver_sql("UPDATE job SET version = version WHERE false")
        await connection.rollback()
    except DBAPIError as error:
        raise_if_cancelled(error)
        reason = str(error.orig).splitlines()[0].rpartition(">: ")[2]
        todo = "use the address of the primary, and a role that owns the tables or may change them"
        return Finding("database", State.FAIL, f"it cannot be written: {reason}", todo)
    return Finding("database", State.OK, "it can be written")


CHECKS = (Check("database", _database),)
