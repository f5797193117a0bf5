"""The queues and the bus of many processes, each process a set of connections of its own to one Postgres."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from coordinator.bus.listener import Listener
from coordinator.bus.postgres import PostgresBus
from coordinator.queue.embedded import EmbeddedQueue
from coordinator.queue.port import Concurrency, Queue
from coordinator.queue.postgres import PostgresQueue
from models.db.database import Database
from tests.support.database_choice import database_choice
from tests.support.waiting import eventually

LEASE_SECONDS = 30.0


class Process(NamedTuple):
    """The database connections and the listener of one process on a Postgres."""

    database: Database
    listener: Listener

    def queue(self, concurrency: Concurrency, lease_seconds: float = LEASE_SECONDS) -> PostgresQueue:
        """Return the queue of this process."""
        return PostgresQueue(self.database, self.listener, concurrency, lease_seconds)


@asynccontextmanager
async def process(url: str) -> AsyncGenerator[Process]:
    """Run a process that listens on the bus."""
    database = Database(url)
    listener = Listener(database.connect_arguments("listener"))
    await listener.start()
    try:
        await up(listener)
        yield Process(database, listener)
    finally:
        await listener.stop()
        await database.close()


@asynccontextmanager
async def queue_for(folder: Path, concurrency: Concurrency) -> AsyncGenerator[Queue]:
    """Open the queue that belongs to the database of a folder."""
    if database_choice.distributed:
        async with process(database_choice.url(folder)) as one:
            yield one.queue(concurrency)
    else:
        yield EmbeddedQueue(concurrency)


@asynccontextmanager
async def buses_on(url: str) -> AsyncGenerator[tuple[PostgresBus, PostgresBus]]:
    """Run the buses of two processes, each of which receives the messages of the other."""
    async with AsyncExitStack() as stack:
        buses: list[PostgresBus] = []
        for _ in range(2):
            one = await stack.enter_async_context(process(url))
            buses.append(PostgresBus(one.listener))
            await buses[-1].start()
            stack.push_async_callback(buses[-1].stop)
        yield buses[0], buses[1]


async def up(listener: Listener) -> None:
    """Wait until notifications arrive."""
    await eventually(lambda: listener.up)
