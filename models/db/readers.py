"""Readers: connections for reads that stay open, on which statements run without SQLAlchemy's layers between.

A reader has two faces on one connection of the driver, and so on one transaction: SQLAlchemy's connection, which never
begins a transaction (AUTOCOMMIT), and `fetch`, which hands SQL to the driver and returns its tuples. A transaction of a
reader shows the moment of its first SELECT. Only one statement may run at a time.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

from sqlalchemy.ext.asyncio import AsyncConnection

from models.db.cancellation import shield_to_completion
from models.db.statements import Arguments, Row, RowT, Statement, Values, rows_of
from models.db.transit import Transit
from models.db.unavailable import says_nothing_about_connection, translate_errors

log = logging.getLogger(__name__)

# Converting these rows takes about 5 ms of a small machine.
ROWS_AT_ONCE = 500

# Not a lock: one that was released, and whose next waiter does not run yet, is not `locked`, although one has to wait.
Turn = asyncio.Semaphore


class Reader(Protocol):
    """A connection for reads. Methods raise what the driver raises; after an error the reader must be discarded."""

    connection: AsyncConnection
    ends_at_once: bool
    """Whether `end` waits for nothing, so that a cancellation cannot interrupt it."""

    @property
    def usable(self) -> bool:
        """Whether the connection is still open, as far as this process knows."""
        ...

    async def fetch(self, text: str, arguments: Arguments) -> list[Row]:
        """Return all rows of a SELECT."""
        ...

    async def fetch_alone(self, text: str, arguments: Arguments) -> list[Row]:
        """Return all rows of a SELECT outside a transaction."""
        ...

    async def begin(self) -> None:
        """Begin a transaction."""
        ...

    async def show_moment(self) -> None:
        """Make the transaction show this moment, before SQLAlchemy's connection is used in it."""
        ...

    async def keep_alive(self) -> None:
        """Keep the transaction from being ended as idle."""
        ...

    async def end(self) -> None:
        """End the transaction."""
        ...

    def release(self) -> None:
        """Undo what was set on the connection, which goes back to SQLAlchemy's pool."""
        ...

    def abort(self) -> None:
        """Stop what the connection does, which is about to be discarded."""
        ...


_READERS: "WeakKeyDictionary[AsyncConnection, Reader]" = WeakKeyDictionary()


class Readers:
    """The readers of one database, lent in turn.

    At most `limit` connections are in use at a time; on Postgres those of writers count as well, which take one of
    `places` themselves. Up to `kept` readers stay open while they are idle. `limit_wait` bounds the wait for one.
    """

    def __init__(
        self,
        limit: int,
        kept: int,
        open_reader: Callable[[], Coroutine[Any, Any, Reader]],
        limit_wait: Callable[[], AbstractAsyncContextManager[None]],
        transit: Transit,
    ) -> None:
        self.places = asyncio.Semaphore(limit)
        self.in_use = 0
        self._kept = kept
        self._open_reader = open_reader
        self._limit_wait = limit_wait
        self._transit = transit
        self._idle: list[Reader] = []
        self._closed = False

    @property
    def idle(self) -> int:
        """The number of readers that stay open while they are not in use."""
        return len(self._idle)

    @asynccontextmanager
    async def reader(self, *, in_transaction: bool = True) -> AsyncGenerator[Reader]:
        """A reader, whose transaction ends with the block; after an error of the database it is closed."""
        reader = await self.take()
        broken = True
        try:
            yield reader
            broken = False
        except Exception as error:
            broken = not says_nothing_about_connection(error)
            raise
        finally:
            await self.give_back(reader, broken=broken, in_transaction=in_transaction)

    async def take(self, turn: Turn | None = None) -> Reader:
        """Return a reader outside a transaction, after `turn` is acquired; `give_back` must follow.

        Raises Unavailable when there is none in time.
        """
        if (turn is None or not turn.locked()) and not self.places.locked():
            reader = self._next_idle()
            if reader is not None:
                # Neither of them is taken, so neither waits.
                if turn is not None:
                    await turn.acquire()
                await self.places.acquire()
                self.in_use += 1
                return reader
        taken: list[Turn] = []
        try:
            with translate_errors():
                async with self._limit_wait():
                    for each in (self.places,) if turn is None else (turn, self.places):
                        await each.acquire()
                        taken.append(each)
                    reader = self._next_idle() or await self._transit.arrived(self._opened(), discard)
        except BaseException:
            for each in taken:
                each.release()
            raise
        self.in_use += 1
        return reader

    async def give_back(
        self, reader: Reader, turn: Turn | None = None, *, broken: bool = False, in_transaction: bool = True
    ) -> None:
        """End the transaction, and keep the reader for the next one or close it; a `broken` one is not used again."""
        if not broken and (reader.ends_at_once or not in_transaction):
            # The common case needs no task of its own: it waits for nothing, so no cancellation can interrupt it.
            try:
                if in_transaction:
                    await reader.end()
                if self._keep(reader):
                    self._release(turn)
                    return
            except Exception:
                broken = True
        await shield_to_completion(self._put_back(reader, turn, broken=broken, in_transaction=in_transaction))

    async def close(self) -> None:
        """Close the idle readers; those in use are closed when they are given back."""
        self._closed = True
        while self._idle:
            # Not gracefully: a server that does not respond would not confirm it.
            await discard(self._idle.pop())

    async def close_idle(self) -> None:
        """Close the idle readers."""
        while self._idle:
            await self.close_one()

    async def close_one(self) -> None:
        """Close the idle reader that was not used for the longest time, if there is one."""
        if self._idle:
            await _close(self._idle.pop(0))

    async def _opened(self) -> Reader:
        reader = await self._open_reader()
        _READERS[reader.connection] = reader
        return reader

    def _next_idle(self) -> Reader | None:
        while self._idle:
            reader = self._idle.pop()
            if reader.usable:
                return reader
            self._transit.send(discard(reader))
        return None

    def _keep(self, reader: Reader) -> bool:
        """Keep a reader without a transaction for the next use; return whether it is kept, or must be closed."""
        if self._closed or len(self._idle) >= self._kept or not reader.usable:
            return False
        self._idle.append(reader)
        return True

    async def _put_back(self, reader: Reader, turn: Turn | None, *, broken: bool, in_transaction: bool) -> None:
        try:
            if broken:
                await discard(reader)
                return
            try:
                if in_transaction and not reader.ends_at_once:
                    await reader.end()
                if not self._keep(reader):
                    await (discard(reader) if self._closed else _close(reader))
            except BaseException:
                await discard(reader)
                raise
        except Exception:
            # The pool replaces the connection; the answer has been made, or has failed for a better reason.
            log.warning("a transaction could not be ended", exc_info=True, extra={"action": "readers.put_back"})
        finally:
            self._release(turn)

    def _release(self, turn: Turn | None) -> None:
        self.in_use -= 1
        self.places.release()
        if turn is not None:
            turn.release()


async def fetch(connection: AsyncConnection, statement: Statement, values: Values) -> list[Row]:
    """Return the driver's rows of a SELECT, in the transaction of a connection of a reader or a writer."""
    reader = _READERS.get(connection)
    if reader is not None:
        return await reader.fetch(statement.text, statement.arguments(values))
    result = await connection.exec_driver_sql(statement.text, statement.arguments(values))
    return cast("list[Row]", result.all())


async def fetch_rows(connection: AsyncConnection, row: type[RowT], statement: Statement, values: Values) -> list[RowT]:
    """Return the rows of a SELECT as a NamedTuple whose fields are its columns in order.

    Lets other tasks run while thousands of rows are converted.
    """
    raw = await fetch(connection, statement, values)
    if len(raw) <= ROWS_AT_ONCE:
        return rows_of(row, statement, raw)
    found: list[RowT] = []
    for start in range(0, len(raw), ROWS_AT_ONCE):
        found += rows_of(row, statement, raw[start : start + ROWS_AT_ONCE])
        await asyncio.sleep(0)
    return found


async def _close(reader: Reader) -> None:
    """Return the connection of a reader without a transaction to SQLAlchemy's pool."""
    reader.release()
    await reader.connection.close()


async def discard(reader: Reader) -> None:
    """Close the connection of a reader in an unknown state, so that nothing uses it again."""
    reader.abort()
    try:
        await reader.connection.invalidate()
    finally:
        await reader.connection.close()
