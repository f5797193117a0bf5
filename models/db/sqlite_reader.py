"""A reader of an SQLite file: short statements run on the thread of the event loop, long ones on that of aiosqlite.

Handing a statement to another thread costs more than most statements. And with rows fetched one by one by another
thread, each row waits for the interpreter's lock: a busy loop makes a list of a thousand rows take seconds. So rows are
fetched on the loop, some at a time with other tasks in between, and a statement that computes for long before it has
rows is interrupted and repeated on the thread.

Written for aiosqlite 0.22.1 and bounded in pyproject.toml; tests/unit/test_aiosqlite_internals.py fails when what is
overridden or used here and in `sqlite_writer` changes.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

import aiosqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from models.db.cancellation import shield_to_completion
from models.db.statements import Arguments, Row

# Rows that are fetched at once, about 1 ms of a small machine, and after which other tasks run. Lists that take turns
# while they are read are slower together than one after the other: the rows of each push those of the others out of the
# processor's cache.
ROWS_AT_ONCE, ROWS_OF_TURN = 500, 1_500
# Steps of SQLite's virtual machine between two looks at the limit, and how many looks a statement has on the loop:
# 2 to 6 ms (https://www.sqlite.org/c3ref/progress_handler.html).
STEPS, LOOKS = 20_000, 5
# The primary result code in an extended one (https://www.sqlite.org/rescode.html).
_PRIMARY = 0xFF

T = TypeVar("T")


class File(sqlite3.Connection):
    """A connection whose transaction ends with it.

    SQLite keeps a closed connection, and the lock of its transaction, as long as one of its statements has rows left
    (https://www.sqlite.org/c3ref/close.html). A cancelled task leaves such a statement to the garbage collector, and
    until that runs, nothing could be written.
    """

    def close(self) -> None:
        """Roll back, and close."""
        with suppress(sqlite3.Error):
            self.rollback()
        super().close()


class FileConnection(aiosqlite.Connection):
    """An aiosqlite connection whose file may also be read on the thread of the event loop, while its own is idle."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=ROWS_AT_ONCE)
        # As SQLAlchemy does for the connections that it makes: the thread must not keep the process alive.
        self._thread.daemon = True
        self._stopped: asyncio.Future[None] | None = None

    def stop(self) -> asyncio.Future[None] | None:
        """Stop the thread, once; return the future that it resolves.

        `close` and SQLAlchemy, when its `close` is cancelled, both stop it: the second of them would wait for ever for
        a thread that has ended.
        """
        if self._stopped is None:
            self._stopped = super().stop()  # pyright: ignore[reportUnknownMemberType] # untyped
        return self._stopped

    @property
    def file(self) -> sqlite3.Connection:
        """The connection of the standard library."""
        return self._conn

    async def on_thread(self, function: Callable[[], T]) -> T:
        """Run a function on the connection's thread."""
        return cast("T", await self._execute(function))  # pyright: ignore[reportUnknownMemberType] # it is untyped


def connect_file(*args: Any, **options: Any) -> FileConnection:
    """Return a connection to be awaited; the arguments are those of `sqlite3.connect`."""
    return FileConnection(opening(*args, **options))


def opening(*args: Any, **options: Any) -> Callable[[], sqlite3.Connection]:
    """Return what opens a file, which more than one thread may use; the arguments are those of `sqlite3.connect`."""
    return partial(sqlite3.connect, *args, **options | {"check_same_thread": False, "factory": File})


class SqliteReader:
    """A connection that never waits for a lock on the loop: `busy_timeout_ms` is how long it waits on its thread."""

    ends_at_once = True

    def __init__(self, connection: AsyncConnection, driver: FileConnection, busy_timeout_ms: int) -> None:
        self.connection = connection
        self._driver = driver
        self._file = driver.file
        self._busy_timeout_ms = busy_timeout_ms
        self._limited = False
        self._looks = 0
        self._shows_moment = False
        self._file.execute("PRAGMA busy_timeout=0")
        self._file.set_progress_handler(self._exceeds, STEPS)

    @property
    def usable(self) -> bool:
        """Whether the connection is outside a transaction."""
        return not self._file.in_transaction

    async def fetch(self, text: str, arguments: Arguments) -> list[Row]:
        """Return all rows of a SELECT."""
        # Most statements have few rows, so this costs as little as it can.
        self._limited, self._looks = True, 0
        try:
            cursor = self._file.execute(text, arguments)
            rows: list[Row] = cursor.fetchmany(ROWS_AT_ONCE)
        except sqlite3.OperationalError as error:
            self._limited = False
            rows = await self._fetch_on_thread(text, arguments, error)
        else:
            self._limited = False
            if len(rows) == ROWS_AT_ONCE:
                rows = await self._fetch_rest(cursor, rows, text, arguments)
        finally:
            self._limited = False
        self._shows_moment = True
        return rows

    async def fetch_alone(self, text: str, arguments: Arguments) -> list[Row]:
        """Return all rows of a SELECT, which is a transaction of its own."""
        return await self.fetch(text, arguments)

    async def begin(self) -> None:
        """Begin a transaction; it shows the moment of its first SELECT."""
        self._shows_moment = False
        self._file.execute("BEGIN")

    async def show_moment(self) -> None:
        """Take the lock of a reader, for which SQLAlchemy's connection would not wait."""
        if not self._shows_moment:
            await self.fetch("SELECT 1 FROM sqlite_master LIMIT 1", ())

    async def keep_alive(self) -> None:
        """Do nothing: an idle transaction lasts."""

    async def end(self) -> None:
        """End the transaction."""
        self._file.execute("ROLLBACK")

    def release(self) -> None:
        """Undo what was set for this reader."""
        self._file.set_progress_handler(None, 0)
        self._file.execute(f"PRAGMA busy_timeout={self._busy_timeout_ms}")

    def abort(self) -> None:
        """Stop the statement that runs, if one does."""
        # The file may be closed by now: the pool was disposed of while this reader was in use.
        with suppress(sqlite3.ProgrammingError):
            self._file.interrupt()

    async def _fetch_rest(self, cursor: sqlite3.Cursor, found: list[Row], text: str, arguments: Arguments) -> list[Row]:
        """Fetch the rows behind the first ones on the loop, a turn at a time."""
        try:
            while True:
                if len(found) % ROWS_OF_TURN == 0:
                    await asyncio.sleep(0)
                self._limited, self._looks = True, 0
                try:
                    rows: list[Row] = cursor.fetchmany(ROWS_AT_ONCE)
                finally:
                    self._limited = False
                found += rows
                if len(rows) < ROWS_AT_ONCE:
                    return found
        except sqlite3.OperationalError as error:
            cursor.close()
            return await self._fetch_on_thread(text, arguments, error)
        finally:
            # Ends the statement, if it has rows left.
            cursor.close()

    def _exceeds(self) -> bool:
        """Return whether to interrupt the statement, which SQLite asks after some of its steps."""
        self._looks += 1
        return self._limited and self._looks > LOOKS

    async def _fetch_on_thread(self, text: str, arguments: Arguments, error: sqlite3.OperationalError) -> list[Row]:
        """Fetch on the thread, which may wait for a lock, what a lock or the limit kept from the loop."""
        if error.sqlite_errorcode & _PRIMARY not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT):
            raise error
        reading = asyncio.ensure_future(self._driver.on_thread(lambda: self._fetch_waiting(text, arguments)))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            # The file must not be used before the thread has left it.
            self._file.interrupt()
            await shield_to_completion(_ended(reading))
            raise

    def _fetch_waiting(self, text: str, arguments: Arguments) -> list[Row]:
        self._file.execute(f"PRAGMA busy_timeout={self._busy_timeout_ms}")
        try:
            return self._file.execute(text, arguments).fetchall()
        finally:
            self._file.execute("PRAGMA busy_timeout=0")


async def _ended(reading: asyncio.Future[list[Row]]) -> None:
    await asyncio.wait([reading])
    if not reading.cancelled():
        reading.exception()
