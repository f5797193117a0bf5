"""The driver of write transactions on an SQLite file, whose short statements run on the thread of the event loop.

Handing statements to another thread costs more than most of them. What may wait is handed over: for the lock of the
file while another process has it, for the disk at a commit, and what takes long because it has many rows.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from models.db.drivers import Rows
from models.db.prepared import Call
from models.db.sqlite_reader import FileConnection, opening

COMMIT = "COMMIT"
BEGIN = "BEGIN IMMEDIATE"
# Rows that are written on the loop at once: about 1 ms of a small machine.
ROWS_ON_LOOP = 100
# The primary result code in an extended one (https://www.sqlite.org/rescode.html).
_PRIMARY = 0xFF

T = TypeVar("T")


class _Enduring(asyncio.Future[T]):
    """A future that cannot be cancelled: a task that waits for it is cancelled when it is done."""

    def cancel(self, msg: Any = None) -> bool:
        """Return False, on which a task notes its cancellation."""
        return False


class WriterConnection(FileConnection):
    """A connection that knows whether its thread uses the file: then the loop must not.

    A caller that was cancelled does not wait for the thread, except in `to_the_end`.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector)
        # Calls into the thread: the loop counts them when they are made, the thread when they have ended.
        self._made = self._ended = 0

    @property
    def is_idle(self) -> bool:
        """Whether the thread has nothing to do."""
        return self._made == self._ended

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await super()._execute(self._counted(partial(fn, *args, **kwargs)))  # pyright: ignore[reportUnknownMemberType] # it is untyped

    def to_the_end(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run a function on the connection's thread. A task that waits for it is cancelled only when it has ended.

        The future raises what the function raises, and ValueError when the connection is closed.
        """
        ended = _Enduring[T](loop=asyncio.get_running_loop())
        if self._running and self._connection:
            self._tx.put_nowait((ended, self._counted(function)))  # pyright: ignore[reportUnknownMemberType] # it is untyped
        else:
            ended.set_exception(ValueError("Connection closed"))
        return ended

    def _counted(self, function: Callable[[], T]) -> Callable[[], T]:
        """Count a call that is made now, and return the function that counts its end."""

        def run() -> T:
            try:
                return function()
            finally:
                self._ended += 1

        self._made += 1
        return run


def connect_writer(*args: Any, **options: Any) -> WriterConnection:
    """Return a connection to be awaited; the arguments are those of `sqlite3.connect`."""
    return WriterConnection(opening(*args, **options))


class SqliteDriver:
    """The connection of the write transactions. Only its thread waits for locks, `busy_timeout_ms` at most."""

    def __init__(self, connection: AsyncConnection, driver: WriterConnection, busy_timeout_ms: int) -> None:
        self.connection = connection
        self._driver = driver
        self._busy_timeout_ms = busy_timeout_ms
        # What a savepoint may have to restore goes to a file when it is more than 64 KB otherwise: two writes a page.
        # See `SQLITE_STMTJRNL_SPILL` in https://www.sqlite.org/compile.html.
        self._set(temp_store="MEMORY", busy_timeout=0)

    def stays_on_loop(self, calls: Sequence[Call]) -> bool:
        """Whether `run` executes them without a wait, unless they begin or end a transaction: they have few rows, and
        the thread does not use the file."""
        return self._driver.is_idle and sum([len(parameters) for _, parameters in calls]) <= ROWS_ON_LOOP

    async def begin(self) -> None:
        """Begin a transaction that may write, unless the connection is in one."""
        if not self._driver.in_transaction:
            await self.run((), before=[BEGIN])

    async def run(self, calls: Sequence[Call], *, before: Sequence[str] = (), after: Sequence[str] = ()) -> list[Rows]:
        """Execute everything in order; return the rows of each call."""
        if self.stays_on_loop(calls):
            try:
                return execute_all(self._driver.file, calls, before, after)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY or self._driver.in_transaction:
                    raise
                # Another process has the lock of the file, for which the first statement waits on the thread.
        return await self._driver.on_thread(lambda: self._run_waiting(calls, before, after))

    def committing(self, calls: Sequence[Call] = (), before: Sequence[str] = ()) -> asyncio.Future[list[Rows]]:
        """Begin to execute everything in order and to commit. A task that waits for the end, which is that of the
        commit, is cancelled only then."""
        return self._driver.to_the_end(lambda: self._run_waiting(calls, before, [COMMIT]))

    async def run_together(
        self, calls: Sequence[Call], *, before: Sequence[str] = (), after: Sequence[str] = ()
    ) -> Rows:
        """Execute everything in order; return the rows of the last call."""
        found = await self.run(calls, before=before, after=after)
        return found[-1] if found else []

    async def roll_back(self) -> None:
        """Roll the transaction back, if one was begun."""
        await self._driver.rollback()

    def release(self) -> None:
        """Undo what was set for this driver, before the connection goes back to SQLAlchemy's pool."""
        self._set(temp_store="DEFAULT", busy_timeout=self._busy_timeout_ms)

    def _run_waiting(self, calls: Sequence[Call], before: Sequence[str], after: Sequence[str]) -> list[Rows]:
        # Within a transaction, which has the lock, nothing waits.
        if self._driver.in_transaction:
            return execute_all(self._driver.file, calls, before, after)
        self._set(busy_timeout=self._busy_timeout_ms)
        try:
            return execute_all(self._driver.file, calls, before, after)
        finally:
            self._set(busy_timeout=0)

    def _set(self, **pragmas: object) -> None:
        for name, value in pragmas.items():
            self._driver.file.execute(f"PRAGMA {name}={value}")


def execute_all(
    connection: sqlite3.Connection, calls: Sequence[Call], before: Sequence[str], after: Sequence[str]
) -> list[Rows]:
    """Execute SQL without parameters, the calls, and more SQL, in order; return the rows of each call."""
    execute = connection.execute
    for text in before:
        execute(text)
    found: list[Rows] = []
    for call, parameters in calls:
        statement = call.on("sqlite")
        if len(parameters) != 1:
            connection.executemany(statement.text, map(statement.arguments, parameters))
            found.append([])
            continue
        cursor = execute(statement.text, statement.arguments(parameters[0]))
        rows = cursor.fetchall() if call.returns_rows else []
        found.append(statement.converted(rows) if rows else rows)
    for text in after:
        execute(text)
    return found
