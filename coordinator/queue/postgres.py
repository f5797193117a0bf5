"""The queue in Postgres: a change enqueues in its own transaction, and any worker may dequeue."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
from pgqueuer import Queries
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.qm import QueueManager

from coordinator import tasks
from coordinator.bus.listener import LOST, Listener
from coordinator.queue import lanes, runner
from coordinator.queue.connection_pool import ConnectionPool
from coordinator.queue.lanes import Lane
from coordinator.queue.pgqueuer_overrides import NAMES, ListenerDriver, ResilientQueries
from coordinator.queue.port import LONGEST_DELAY_SECONDS, Assembler, Concurrency, Handler
from models.db.database import Connection, Database
from models.db.unavailable import translate_errors
from models.domain.instants import SLACK
from models.writes.change import Work

CONNECTIONS = 2
LOG_KEPT = timedelta(days=1)
# PgQueuer hands out a ticket that is due, or picked by a worker without a heartbeat; both by the database's clock.
_CORRECT = (
    f"UPDATE {NAMES.queue_table} SET heartbeat = least(heartbeat, now()),"  # noqa: S608 # a constant name
    " execute_after = CASE WHEN execute_after > now() + $1::interval THEN now() ELSE execute_after END"
    " WHERE execute_after > now() + $1::interval OR heartbeat > now() + interval '1 second'"
)


class PostgresQueue:
    """PgQueuer on asyncpg."""

    joins_transactions = True

    def __init__(self, database: Database, listener: Listener, concurrency: Concurrency, lease_seconds: float) -> None:
        self._database = database
        self._listener = listener
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds

    async def enqueue(self, work: Sequence[Work], connection: Connection | None = None) -> None:
        """Accept work, in the transaction of `connection` if given. Work that is waiting or running is skipped.

        Without a connection, as the reconciler calls it, also correct the instants of tickets that were written before
        the clock of the database went back. Raises RuntimeError when no statement was executed in that transaction
        before.
        """
        if not work:
            return
        if connection is None:
            async with self._database.connect(self._database.writer) as own, own.begin():
                longest = timedelta(seconds=max(LONGEST_DELAY_SECONDS, self._lease_seconds)) + SLACK
                await own.exec_driver_sql(_CORRECT, (longest,))
                await self.enqueue(work, own)
            return
        routes = [lanes.route(each) for each in work]
        try:
            _check_transaction(await _raw(connection))
            await (await _queries_on(connection)).enqueue(
                [entrypoint for entrypoint, _ in routes],
                [lanes.encode(each) for each in work],
                [priority for _, priority in routes],
                [timedelta(seconds=each.delay_seconds) for each in work],
                [each.key for each in work],
                on_conflict="skip",
            )
        except LOST as error:
            # SQLAlchemy has not seen the error, and would wait for the reply to a ROLLBACK.
            await connection.invalidate(error)
            raise

    async def run(self, handler: Handler, assembler: Assembler | None = None) -> None:
        """Call `handler` for every ticket, up to the configured concurrency, until cancelled."""
        running = [lanes.render_lane(self._concurrency, handler), lanes.adoption_lane(handler)]
        if assembler is not None:
            running.append(lanes.assembly_lane(assembler))
        pool = ConnectionPool(CONNECTIONS, **self._database.connect_arguments("queue"))
        await pool
        try:
            with translate_errors():
                await runner.run_until_first_exits(*(self._run(pool, lane) for lane in running))
        finally:
            # Closing would wait for the answer of a Postgres that may not respond; no lane uses it any longer.
            pool.terminate()

    async def _run(self, pool: asyncpg.Pool, lane: Lane) -> None:
        # PgQueuer counts running jobs by manager, so each lane has its own.
        driver = ListenerDriver(pool, self._listener)
        queries = ResilientQueries(driver, lane)
        running = asyncio.ensure_future(runner.run_lane(QueueManager(queries), lane, lease_seconds=self._lease_seconds))
        try:
            await asyncio.wait([running])
            running.result()
        finally:
            queries.stop()
            await tasks.cancel("a lane of the queue", [running], runner.LANE_STOP_SECONDS)
            driver.stop()

    async def prune(self) -> None:
        """Delete PgQueuer's log entries older than LOG_KEPT or dated in the future; PgQueuer itself deletes none."""
        async with self._database.connect(self._database.maintenance) as connection, connection.begin():
            await connection.exec_driver_sql(
                f"DELETE FROM {NAMES.queue_table_log} WHERE NOT created BETWEEN now() - $1::interval AND now()",  # noqa: S608 # a constant name
                (LOG_KEPT,),
            )


async def install(database: Database) -> bool:
    """Create or upgrade PgQueuer's tables; returns whether they were created."""
    # Some of PgQueuer's statements cannot share a transaction with others.
    engine = database.maintenance.execution_options(isolation_level="AUTOCOMMIT")
    async with database.connect(engine) as connection:
        queries = await _queries_on(connection)
        if await queries.schema_is_installed():
            await queries.upgrade()
            return False
        await queries.install()
        return True


async def is_installed(database: Database) -> bool:
    """Return whether PgQueuer's tables exist."""
    # PgQueuer's statements run outside of a transaction here, so they need a session.
    async with database.connect(database.maintenance) as connection:
        return await (await _queries_on(connection)).schema_is_installed()


async def _queries_on(connection: Connection) -> Queries:
    """Return PgQueuer's queries on the connection that SQLAlchemy uses."""
    return Queries(AsyncpgDriver(await _raw(connection)))


def _check_transaction(raw: Any) -> None:
    """Raise RuntimeError outside of a transaction; asyncpg.InterfaceError for a connection that was lost meanwhile."""
    if raw.is_closed():
        # It is not known any more whether it was in one.
        raise asyncpg.InterfaceError("the connection is closed")
    if not raw.is_in_transaction():
        # SQLAlchemy begins a transaction with its first statement, and PgQueuer bypasses SQLAlchemy.
        raise RuntimeError("enqueue would escape the transaction: no statement was executed in it yet")


async def _raw(connection: Connection) -> Any:
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None  # noqa: S101 # a checked-out connection has one
    return raw
