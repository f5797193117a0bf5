"""The queue in Postgres: its rows are written by the transaction of the change, and any worker may pick them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TypeVar, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
from pgqueuer import PgQueuer, Queries
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.ports.driver import NotifyCallback
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import QueueEntrypoint, QueueManagerId

from coordinator import dispatch
from coordinator.dispatch import Concurrency, Handler
from coordinator.listener import LOST, Listener
from models.change import Ticket
from models.database import Connection, Database

log = logging.getLogger(__name__)

CONNECTIONS = 2
AWAY_SECONDS = 0.5
LOG_KEPT = timedelta(days=1)

# What PgQueuer itself sends when the table changed: said after each reconnect, it makes a worker look at once.
_LOOK = (
    '{"channel": "%s", "operation": "insert", "sent_at": "2000-01-01T00:00:00+00:00", "table": "pgqueuer", '
    '"type": "table_changed_event"}'
)

T = TypeVar("T")


class _Driver(AsyncpgPoolDriver):
    """Listens through our listener, which comes back when it is lost; PgQueuer's own never does."""

    def __init__(self, pool: asyncpg.Pool, listener: Listener) -> None:
        super().__init__(pool)
        self._listener = listener

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        await self._listener.listen(channel, callback)
        self._listener.when_up(lambda: callback(_LOOK % channel))

    async def remove_listener(self, channel: str, callback: NotifyCallback) -> None:
        """The listener outlives the queue; a callback that nobody waits for does nothing."""


class _Queries(Queries):
    """Caps what runs at once to any number, one included; and a Postgres that is away is an empty queue.

    An error here would end PgQueuer's loop, which waits for all running renders before it could start anew.
    """

    def __init__(self, driver: _Driver, concurrency: int) -> None:
        super().__init__(driver)
        self._concurrency = concurrency

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        return await _or(
            [],
            super().dequeue(batch_size, entrypoints, queue_manager_id, self._concurrency, heartbeat_timeout),
        )

    async def eligible_queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        return await _or(0, super().eligible_queued_work(entrypoints))

    async def queued_work(self, entrypoints: list[QueueEntrypoint]) -> int:
        return await _or(0, super().queued_work(entrypoints))

    async def next_deferred_eta(self, entrypoints: list[QueueEntrypoint]) -> timedelta | None:
        return await _or(timedelta(seconds=AWAY_SECONDS), super().next_deferred_eta(entrypoints))


class PostgresQueue:
    """PgQueuer on asyncpg."""

    joins_transactions = True

    def __init__(self, database: Database, listener: Listener, concurrency: Concurrency, lease_seconds: float) -> None:
        self._database = database
        self._listener = listener
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds

    async def enqueue(self, tickets: Sequence[Ticket], connection: Connection | None = None) -> None:
        """Accept tickets, in the transaction of `connection` if given; one that is waiting or running stays."""
        if not tickets:
            return
        if connection is None:
            async with self._database.writer.begin() as own:
                await own.exec_driver_sql("SELECT 1")
                await self.enqueue(tickets, own)
            return
        await (await _queries_on(connection)).enqueue(
            [dispatch.entrypoint(ticket.provider) for ticket in tickets],
            [dispatch.pack(ticket) for ticket in tickets],
            [ticket.priority for ticket in tickets],
            [timedelta(seconds=ticket.delay_seconds) for ticket in tickets],
            [ticket.key for ticket in tickets],
            on_conflict="skip",
        )

    async def cancel(self, keys: Sequence[str]) -> None:
        """Forget waiting tickets; a running one is aborted by its handler, not here."""
        async with self._database.writer.begin() as connection:
            queries = await _queries_on(connection)
            table = queries.qbe.settings.queue_table
            await queries.driver.execute(
                f"DELETE FROM {table} WHERE dedupe_key = ANY($1) AND status = 'queued'",  # noqa: S608 # its own name
                list(keys),
            )

    async def run(self, handler: Handler) -> None:
        """Call the handler for every ticket, as many at once as configured, until cancelled."""
        create_pool = cast("Callable[..., asyncpg.Pool]", asyncpg.create_pool)  # pyright: ignore[reportUnknownMemberType]
        pool = create_pool(**self._database.connect_arguments, min_size=0, max_size=CONNECTIONS)
        async with pool:
            driver = _Driver(pool, self._listener)
            queuer = PgQueuer(driver, queries=_Queries(driver, self._concurrency.here))
            await dispatch.run(queuer, self._concurrency, handler, lease_seconds=self._lease_seconds)


async def install(connection: Connection) -> bool:
    """Make PgQueuer's tables, or bring them up to date; whether they were new."""
    queries = await _queries_on(connection)
    if await queries.schema_is_installed():
        await queries.upgrade()
        return False
    await queries.install()
    return True


async def is_installed(connection: Connection) -> bool:
    """Whether PgQueuer's tables are there."""
    return await (await _queries_on(connection)).schema_is_installed()


async def prune_log(connection: Connection) -> None:
    """Forget what PgQueuer logged more than a day ago: it never does so itself."""
    queries = await _queries_on(connection)
    table = queries.qbe.settings.queue_table_log
    await queries.driver.execute(f"DELETE FROM {table} WHERE created < now() - $1::interval", LOG_KEPT)  # noqa: S608


async def _queries_on(connection: Connection) -> Queries:
    """PgQueuer on the very connection of a transaction. SQLAlchemy begins lazily, with the first statement."""
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None  # noqa: S101 # a checked-out connection has one
    if not raw.is_in_transaction():
        raise RuntimeError("a ticket would escape the transaction: nothing was executed in it yet")
    return Queries(AsyncpgDriver(raw))


async def _or(default: T, work: Awaitable[T]) -> T:
    try:
        return await work
    except LOST as error:
        log.warning("the queue does not answer: %s", error, extra={"action": "queue.away"})
        await asyncio.sleep(AWAY_SECONDS)
        return default
