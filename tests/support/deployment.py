"""A deployment to do harm to: API processes and workers on one Postgres, each of them a process of its own."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from models.db.database import Database
from models.writes.store import Store
from tests.support.client import Client
from tests.support.server_process import ServerProcess


class Deployment:
    """Starts processes, knows which of them run, and ends them all."""

    def __init__(self, folder: Path, database_url: str, **settings: object) -> None:
        self.folder = folder
        self.store = Store(Database(database_url))
        self.settings: dict[str, Any] = {
            "database_url": database_url,
            "provider": "scripted",
            "log_level": "info",
            **settings,
        }
        self._processes: list[ServerProcess] = []

    async def api(self, name: str = "api", *options: str, **settings: object) -> ServerProcess:
        """Start an API process that leaves rendering to workers."""
        return await self.start(
            ServerProcess(self.folder, "serve", "--no-render", *options, **self._named(name, settings))
        )

    async def worker(self, name: str = "worker", module: str | None = None, **settings: object) -> ServerProcess:
        """Start a worker."""
        return await self.start(ServerProcess(self.folder, "worker", module=module, **self._named(name, settings)))

    async def workers(self, count: int, **settings: Any) -> list[ServerProcess]:
        """Start several workers at once."""
        return await asyncio.gather(*(self.worker(f"worker{number}", **settings) for number in range(count)))

    async def again(self, process: ServerProcess) -> None:
        """Start a stopped process again."""
        await asyncio.to_thread(process.start)

    async def rows(self, statement: str, *parameters: object) -> Sequence[Any]:
        """Return the rows of a statement."""
        async with self.store.read() as connection:
            return (await connection.exec_driver_sql(statement, parameters or None)).all()

    async def end(self) -> None:
        """Kill what still runs."""
        for process in self._processes:
            with suppress(AssertionError, ProcessLookupError):
                process.send(signal.SIGCONT)
            process.kill()
        await self.store.database.close()

    async def start(self, process: ServerProcess) -> ServerProcess:
        """Start a process of one's own making; it ends with the others."""
        self._processes.append(process)
        await asyncio.to_thread(process.start)
        return process

    def assert_no_orphans(self) -> None:
        """Assert that no log names a task whose error was never retrieved."""
        for process in self._processes:
            process.assert_no_orphans()

    def _named(self, name: str, settings: dict[str, object]) -> dict[str, Any]:
        return {"name": name, **self.settings, **settings}


@asynccontextmanager
async def deployed(folder: Path, database_url: str, **settings: object) -> AsyncGenerator[Deployment]:
    """A deployment that ends with the block; no process of it may have logged a task without an owner."""
    deployment = Deployment(folder, database_url, **settings)
    try:
        yield deployment
    finally:
        await deployment.end()
    deployment.assert_no_orphans()


@asynccontextmanager
async def client_of(process: ServerProcess) -> AsyncGenerator[Client]:
    """A client of an API process."""
    client = Client(process.url)
    try:
        yield client
    finally:
        await client.close()
