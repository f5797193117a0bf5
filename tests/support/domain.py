"""The domain on a real database, without a server around it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from coordinator.commands.batches import Batches
from coordinator.commands.inputs import NewJob, NewScene, SceneTarget
from coordinator.commands.jobs import Jobs
from coordinator.commands.policy import JobPolicy
from coordinator.commands.scenes import Scenes
from coordinator.commands.scheduling import EXTERNAL
from models.db.database import Connection, Database
from models.db.rows import EventRow, JobRow, SceneRow, TakeRow
from models.domain.access import LOCAL, SYSTEM
from models.domain.paging import Window
from models.domain.progress import ProgressSnapshot
from models.domain.quota import Rate
from models.reads import listing, queries
from models.reads.listing import SceneQuery
from models.writes.change import Ticket, Work
from models.writes.store import Committed, Store
from tests.support.database_choice import database_choice
from tests.support.migrated_file import create_migrated

T = TypeVar("T")

OURS = "scripted"
MAX_ATTEMPTS = 3
RECOVERY_WINDOW = timedelta(days=7)
POLICY = JobPolicy(MAX_ATTEMPTS, RECOVERY_WINDOW, Rate(per_hour=0, burst=1))

Row = tuple[Any, ...]
TABLES = tuple(SQLModel.metadata.tables)


class ExternalReader(Protocol):
    """Reads the database as another program, without the event loop of the test."""

    def rows(self, statement: str, **values: object) -> list[Row]:
        """Execute a statement with `:name` parameters. Return its rows."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


def external_reader(url: str) -> ExternalReader:
    """Open a database for reading."""
    return _SqliteReader(url) if url.startswith("sqlite") else _PostgresReader(url)


class _SqliteReader:
    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(sa.make_url(url).set(drivername="sqlite"), isolation_level="AUTOCOMMIT")

    def rows(self, statement: str, **values: object) -> list[Row]:
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement), values)]

    def close(self) -> None:
        self._engine.dispose()


class _PostgresReader:
    """In a thread of its own, which has an event loop."""

    def __init__(self, url: str) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._runner = self._in_thread(asyncio.Runner)
        self._engine = create_async_engine(url, isolation_level="AUTOCOMMIT")

    def rows(self, statement: str, **values: object) -> list[Row]:
        async def fetch() -> list[Row]:
            async with self._engine.connect() as connection:
                return [tuple(row) for row in await connection.execute(sa.text(statement), values)]

        return self._in_thread(lambda: self._runner.run(fetch()))

    def close(self) -> None:
        self._in_thread(lambda: self._runner.run(self._engine.dispose()))
        self._in_thread(self._runner.close)
        self._thread.shutdown()

    def _in_thread(self, work: Callable[[], T]) -> T:
        return self._thread.submit(work).result()


class JobState(NamedTuple):
    """All rows of one job; the takes of each scene are newest first."""

    job: JobRow
    live: list[SceneRow]
    deleted: list[SceneRow]
    takes: dict[str, list[TakeRow]]
    log: list[EventRow]
    progress: ProgressSnapshot


class Commits:
    """A commit listener that records the commits; `before` and `after`, when set, are called as well."""

    def __init__(self) -> None:
        self.committed: list[Committed] = []
        self.before: Callable[[Connection, Sequence[Work]], Awaitable[None]] | None = None
        self.after: Callable[[Committed], None] | None = None

    @property
    def joins_transactions(self) -> bool:
        """Whether `before` is set."""
        return self.before is not None

    async def before_commit(self, connection: Connection, work: Sequence[Work]) -> None:
        """Call `before`."""
        if self.before is not None:
            await self.before(connection, work)

    def after_commit(self, committed: Committed) -> None:
        """Record the commit and call `after`."""
        self.committed.append(committed)
        if self.after is not None:
            self.after(committed)


class Domain:
    """The commands and the store they write to; `commits` follows the commits of the store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commits = Commits()
        self.store = Store(Database(database_choice.url(folder)), self.commits)
        self.external = external_reader(database_choice.url(folder))
        self.jobs = Jobs(self.store, [OURS, EXTERNAL], OURS, POLICY)
        self.scenes = Scenes(self.store, POLICY)
        self.batches = Batches(self.store, POLICY)

    @property
    def committed(self) -> list[Committed]:
        """All commits so far, in order."""
        return self.commits.committed

    @property
    def tickets(self) -> list[Ticket]:
        """All tickets so far, in order."""
        return [ticket for committed in self.committed for ticket in committed.tickets]

    def dump(self) -> dict[str, list[Row]]:
        """Return all rows of all tables as another program reads them."""
        return {
            table: sorted(self.external.rows(f"SELECT * FROM {table}"), key=repr)  # noqa: S608 # our own names
            for table in TABLES
        }

    async def close(self) -> None:
        """Close all connections."""
        self.external.close()
        await self.store.database.close()

    async def a_job(self, scenes: int = 1, *, start: bool = False, provider: str = OURS) -> str:
        """Create a job with this many scenes and return its id."""
        new = [NewScene(f"prompt {number}") for number in range(scenes)]
        return await self.jobs.create(LOCAL, NewJob("A job", new, provider, start=start))

    async def job_state(self, job_id: str) -> JobState:
        """Read everything about a job."""
        query = SceneQuery(Window(None), include_deleted=True)
        async with self.store.read() as connection:
            job = (await queries.jobs_by_id(connection, SYSTEM, [job_id]))[job_id]
            scenes = (await listing.scenes_of_jobs(connection, [job_id], query))[job_id].items
            takes = await queries.takes_of_scenes(connection, [scene.id for scene in scenes], 1_000)
            log = await queries.events_after(connection, job_id, 0, 100_000)
            progress = (await queries.progress_snapshots(connection, SYSTEM, [job_id]))[job_id]
        live = [scene for scene in scenes if scene.deleted_at is None]
        return JobState(job, live, [scene for scene in scenes if scene.deleted_at], takes, log, progress)

    async def targets(self, job_id: str) -> list[SceneTarget]:
        """Return the live scenes of a job as targets of commands."""
        return [SceneTarget(scene.id) for scene in (await self.job_state(job_id)).live]


@asynccontextmanager
async def domain(folder: Path) -> AsyncGenerator[Domain]:
    """Open the domain on a new database for `folder`."""
    create_migrated(folder)
    made = Domain(folder)
    try:
        yield made
    finally:
        await made.close()
        database_choice.drop(folder)
