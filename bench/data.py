"""The database of the benchmark: jobs with 20 scenes each, written without the server."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import asyncpg_driver
from models.db.database import Database
from models.writes import job_counts

ROOT = Path(__file__).parent.parent
SCENES = 20
COMPLETED = 8
# Of the one scene in each job that is being made.
PERCENTAGE = 40.0
EPOCH = datetime(2026, 1, 1, 12, 0, 0, 250_000, UTC)

Row = dict[str, Any]
Rows = Callable[[int], dict[str, list[Row]]]
"""Returns the rows of so many jobs by table."""


def cache_folder() -> Path:
    """Return the folder that keeps peers and databases between runs, outside the repository."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "scenewire-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sqlite_copy(folder: Path, jobs: int, tree: Path = ROOT, rows: Rows | None = None) -> Path:
    """Return a copy of an SQLite database with this many jobs, migrated by the program in `tree`.

    `rows` returns the rows by table, by default `tables_of`.
    """
    rows = rows or tables_of
    files = [Path(__file__), Path(rows.__code__.co_filename), *(tree / "models/migrations/versions").glob("[0-9]*.py")]
    source = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()[:12]
    kept = cache_folder() / f"{rows.__name__}-{jobs}-{source}.db"
    if not kept.exists():
        unfinished = kept.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        migrate(f"sqlite+aiosqlite:///{unfinished}", tree)
        fill_sqlite(unfinished, jobs, rows)
        unfinished.rename(kept)
    copied = folder / "bench.db"
    shutil.copyfile(kept, copied)
    return copied


def migrate(url: str, tree: Path = ROOT) -> None:
    """Migrate a database with the command of the program in `tree`."""
    environment = {**os.environ, "SCENEWIRE_DATABASE_URL": url}
    subprocess.run(
        [sys.executable, "-m", "server", "migrate"], cwd=tree, env=environment, check=True, capture_output=True
    )


async def fill_postgres(url: str, jobs: int, rows: Rows | None = None) -> None:
    """Write the same rows into a migrated, empty Postgres database."""
    connection = await asyncpg_driver.connect(url)
    try:
        for table, written in (rows or tables_of)(jobs).items():
            columns = list(written[0])
            records = [tuple(row.values()) for row in written]
            await connection.copy_records_to_table(table, records=records, columns=columns)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def bring_to_rest(url: str) -> None:
    """Leave a Postgres database that was filled as housekeeping and autovacuum do."""
    database = Database(url)
    await job_counts.merge(database)
    await database.close()
    connection = await asyncpg_driver.connect(url)
    try:
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def job_id(number: int) -> str:
    """Return the id of a job by its number; the same in every database."""
    return row_id("job", number)


def scene_id(job: int, position: int = 0) -> str:
    """Return the id of a scene of a job; the same in every database."""
    return row_id("scene", job * SCENES + position)


def row_id(prefix: str, number: int) -> str:
    """Return a well-formed id of version 7 whose order is that of the numbers."""
    milliseconds = int(EPOCH.timestamp() * 1000) + number
    value = (milliseconds << 80) | (7 << 76) | (2 << 62) | number
    digits = "0123456789abcdefghjkmnpqrstvwxyz"
    suffix = "".join(digits[(value >> shift) & 31] for shift in range(125, -1, -5))
    return f"{prefix}_{suffix}"


def fill_sqlite(file: Path, jobs: int, rows: Rows | None = None) -> None:
    """Write the rows into a migrated, empty SQLite database."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for table, written in (rows or tables_of)(jobs).items():
            columns = list(written[0])
            marks = ", ".join("?" * len(columns))
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 # names of ours
            connection.executemany(statement, ([_for_sqlite(value) for value in row.values()] for row in written))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _for_sqlite(value: object) -> object:
    return value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value


def tables_of(jobs: int) -> dict[str, list[Row]]:
    """Return the rows of the jobs by table."""
    scenes = [scene for number in range(jobs) for scene in _scenes(number)]
    return {
        "job": [_job(number) for number in range(jobs)],
        "scene": scenes,
        "take": [_take(scene) for scene in scenes],
        "event": [_event(number) for number in range(jobs)],
    }


def _job(number: int) -> Row:
    created = EPOCH + timedelta(seconds=number)
    title = f"A day at the coast, part {number}"
    return {
        "id": job_id(number),
        "owner_id": "local",
        "title": title,
        "title_folded": title.lower(),
        "provider": "external",
        "metadata": "{}",
        "version": 1,
        "status": "PROCESSING",
        "pending": SCENES - COMPLETED - 1,
        "processing": 1,
        "completed": COMPLETED,
        "failed": 0,
        "canceled": 0,
        "retrying": 0,
        "composition_version": 0,
        "created_at": created,
        "updated_at": created,
        "started_at": created,
    }


def _scenes(number: int) -> Iterator[Row]:
    created = EPOCH + timedelta(seconds=number)
    for position in range(SCENES):
        status = "COMPLETED" if position < COMPLETED else "PROCESSING" if position == COMPLETED else "PENDING"
        percentage = {"COMPLETED": 100.0, "PROCESSING": PERCENTAGE, "PENDING": None}[status]
        yield {
            "id": scene_id(number, position),
            "job_id": job_id(number),
            "position": position,
            "title": f"Scene {position}",
            "prompt": f"A lone lighthouse on a rocky coast at golden hour, waves crashing, shot {position}",
            "duration_seconds": 5.0,
            "status": status,
            "take_id": row_id("take", number * SCENES + position),
            "take_number": 1,
            "newest_take": 1,
            "run": 0,
            "percentage": percentage,
            "high_water": percentage or 0.0,
            "attempts": 0 if status == "PENDING" else 1,
            "max_attempts": 3,
            "priority": 0,
            "metadata": "{}",
            "version": 1,
            "created_at": created,
            "updated_at": created,
            # Otherwise the server notes it for each scene in the first minute.
            "reported_at": None if status == "COMPLETED" else created,
        }


def _take(scene: Row) -> Row:
    shared = ("job_id", "prompt", "status", "created_at")
    return {
        "id": scene["take_id"],
        "scene_id": scene["id"],
        "number": 1,
        "reason": "INITIAL",
        "provider": "external",
        **{name: scene[name] for name in shared},
    }


def _event(number: int) -> Row:
    return {
        "job_id": job_id(number),
        "version": 1,
        "type": "JOB_CREATED",
        "actor_id": "local",
        "changed": '["title", "scenes"]',
        "occurred_at": EPOCH + timedelta(seconds=number),
    }
