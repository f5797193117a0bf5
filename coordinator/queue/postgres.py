"""The queue in Postgres: its rows are written by the transaction of the change, and any worker may pick them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
from pgqueuer import Queries
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.domain.settings import db_settings
from pgqueuer.models import Job, TracebackRecord
from pgqueuer.ports.driver import NotifyCallback
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.qm import QueueManager
from pgqueuer.types import JOB_STATUS, JobId, QueueEntrypoint, QueueManagerId

from coordinator.bus.listener import LOST, Listener
from coordinator.queue import port
from coordinator.queue.port import Assembler, Concurrency, Handler, Lane
from models.db.database import Connection, Database
from models.writes.change import Work

log = logging.getLogger(__name__)

CONNECTIONS = 2
AWAY_SECONDS = 0.5
LOG_KEPT = timedelta(days=1)
NAMES = db_settings()

# What PgQueuer itself sends when the table changed: said after each reconnect, it makes a worker look at once.
_LOOK = (
    '{"channel": "%s", "operation": "insert", "sent_at": "2000-01-01T00:00:00+00:00", "table": "pgqueuer", '
    '"type": "table_changed_event"}'
)

T = TypeVar("T")
Done = tuple[Job, JOB_STATUS, TracebackRecord | None]


class _Driver(AsyncpgPoolDriver):
    """Listens through our listener, which comes back when it is lost; PgQueuer's own never does."""

    def __init__(self, pool: asyncpg.Pool, listener: Listener) -> None:
        super().__init__(pool)
        self._listener = listener
        self._unlisten: list[Callable[[], None]] = []

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        self._unlisten += [
            self._listener.when_up(lambda: callback(_LOOK % channel)),
            await self._listener.listen(channel, callback),
        ]

    def stop(self) -> None:
        """Hear nothing any more."""
        for unlisten in self._unlisten:
            unlisten()


class _Queries(Queries):
    """Caps what runs at once to any number, one included; a Postgres that is away is an empty queue; and what became of
    a ticket is said by the worker that holds it alone.

    An error in here would end PgQueuer's loop, which waits for all running renders before it could start anew; or it
    would make PgQueuer take a ticket for done that has to be seen again.
    """

    def __init__(self, driver: _Driver, concurrency: int) -> None:
        super().__init__(driver)
        self._concurrency = concurrency
        self._away = False
        self.stopping = False

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        return await self._or(
            [],
            super().dequeue(batch_size, entrypoints, queue_manager_id, self._concurrency, heartbeat_timeout),
        )

    async def eligible_queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        return await self._or(0, super().eligible_queued_work(entrypoints))

    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        return await self._or(0, super().queued_work(entrypoints))

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:
        return await self._or(timedelta(seconds=AWAY_SECONDS), super().next_deferred_eta(entrypoints))

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        await self._or(None, super().update_heartbeat(job_ids))

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        again = super().retry_job

        async def retry() -> None:
            if await self._ours([job]):
                await again(job, delay, traceback_record)

        await self._retry_until_available(retry)

    async def log_jobs(self, job_status: list[Done]) -> None:
        finish = super().log_jobs

        async def log_ours() -> None:
            ours = await self._ours([job for job, _, _ in job_status])
            if ours:
                await finish([done for done in job_status if done[0].id in ours])

        await self._retry_until_available(log_ours)

    async def _ours(self, jobs: list[Job]) -> set[int]:
        """Those that nobody took over: PgQueuer asks for the ticket alone, and would drop the new owner's."""
        holders = await self.driver.fetch(
            f"SELECT id, queue_manager_id FROM {NAMES.queue_table} WHERE id = ANY($1)",  # noqa: S608 # our own name
            [job.id for job in jobs],
        )
        held = {(row["id"], row["queue_manager_id"]) for row in holders}
        return {job.id for job in jobs if (job.id, job.queue_manager_id) in held}

    async def _retry_until_available(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write it, if need be when Postgres is back; while stopping, only at once."""
        while True:
            try:
                return await write()
            except LOST:
                if self.stopping:
                    raise
                await asyncio.sleep(AWAY_SECONDS)

    async def _or(self, default: T, work: Awaitable[T]) -> T:
        try:
            answer = await work
        except LOST as error:
            if not self._away:
                log.warning("the queue is away: %s", error or type(error), extra={"action": "queue.away"})
            self._away = True
            return default
        if self._away:
            log.info("the queue is back", extra={"action": "queue.back"})
        self._away = False
        return answer


class PostgresQueue:
    """PgQueuer on asyncpg."""

    joins_transactions = True

    def __init__(self, database: Database, listener: Listener, concurrency: Concurrency, lease_seconds: float) -> None:
        self._database = database
        self._listener = listener
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds

    async def enqueue(self, work: Sequence[Work], connection: Connection | None = None) -> None:
        """Accept work, in the transaction of `connection` if given; what is waiting or running stays."""
        if not work:
            return
        if connection is None:
            async with self._database.connect(self._database.writer) as own, own.begin():
                await own.exec_driver_sql("SELECT 1")
                await self.enqueue(work, own)
            return
        if not (await _raw(connection)).is_in_transaction():
            # SQLAlchemy begins lazily, with the first statement.
            raise RuntimeError("a ticket would escape the transaction: nothing was executed in it yet")
        places = [port.route(each) for each in work]
        try:
            await (await _queries_on(connection)).enqueue(
                [entrypoint for entrypoint, _ in places],
                [port.encode(each) for each in work],
                [priority for _, priority in places],
                [timedelta(seconds=each.delay_seconds) for each in work],
                [each.key for each in work],
                on_conflict="skip",
            )
        except LOST as error:
            # SQLAlchemy knows nothing of it, and would wait for the answer to a ROLLBACK.
            await connection.invalidate(error)
            raise

    async def cancel(self, keys: Sequence[str]) -> None:
        """Forget waiting tickets; a running one is aborted by its handler, not here."""
        async with self._database.connect(self._database.writer) as connection, connection.begin():
            await connection.exec_driver_sql(
                f"DELETE FROM {NAMES.queue_table} WHERE dedupe_key = ANY($1) AND status = 'queued'",  # noqa: S608 # our own name
                # No key has a NUL, and Postgres chokes on it.
                ([key for key in keys if "\0" not in key],),
            )

    async def run(self, handler: Handler, assembler: Assembler | None = None) -> None:
        """Call the handler for every ticket, as many at once as configured, until cancelled."""
        lanes = [port.renders(self._concurrency, handler)]
        if assembler is not None:
            lanes.append(port.assemblies(assembler))
        create_pool = cast("Callable[..., asyncpg.Pool]", asyncpg.create_pool)  # pyright: ignore[reportUnknownMemberType]
        pool = create_pool(**self._database.connect_arguments("queue"), min_size=0, max_size=CONNECTIONS)
        async with pool:
            await port.run_until_first_exits(*(self._run(pool, lane) for lane in lanes))

    async def _run(self, pool: asyncpg.Pool, lane: Lane) -> None:
        """A lane counts what it runs by its manager, so each has its own."""
        driver = _Driver(pool, self._listener)
        queries = _Queries(driver, lane.at_once)
        running = asyncio.ensure_future(port.run(QueueManager(queries), lane, lease_seconds=self._lease_seconds))
        try:
            await asyncio.wait([running])
            running.result()
        finally:
            queries.stopping = True
            running.cancel()
            await asyncio.wait([running])
            driver.stop()

    async def prune(self) -> None:
        """Forget what PgQueuer logged more than a day ago: it never does so itself."""
        async with self._database.connect(self._database.maintenance) as connection, connection.begin():
            await connection.exec_driver_sql(
                f"DELETE FROM {NAMES.queue_table_log} WHERE created < now() - $1::interval",  # noqa: S608 # our own name
                (LOG_KEPT,),
            )


async def install(database: Database) -> bool:
    """Make PgQueuer's tables, or bring them up to date; whether they were new."""
    # Some of its statements cannot be in a transaction with others.
    engine = database.maintenance.execution_options(isolation_level="AUTOCOMMIT")
    async with database.connect(engine) as connection:
        queries = await _queries_on(connection)
        if await queries.schema_is_installed():
            await queries.upgrade()
            return False
        await queries.install()
        return True


async def is_installed(database: Database) -> bool:
    """Whether PgQueuer's tables are there."""
    async with database.connect(database.reader) as connection:
        return await (await _queries_on(connection)).schema_is_installed()


async def _queries_on(connection: Connection) -> Queries:
    """PgQueuer on the very connection that SQLAlchemy uses."""
    return Queries(AsyncpgDriver(await _raw(connection)))


async def _raw(connection: Connection) -> Any:
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None  # noqa: S101 # a checked-out connection has one
    return raw
