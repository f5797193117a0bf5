"""The snapshot: one read transaction for everything in an answer, so that no answer contradicts itself."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

from models.db.cancellation import shield_to_completion
from models.db.database import Connection, Database
from models.db.readers import Reader
from models.db.statements import Row, Statement, Values
from models.db.unavailable import says_nothing_about_connection, translate_errors
from models.domain.errors import Unavailable

SERIES_SECONDS = 0.1
"""How long consecutive messages of a stream may share a snapshot, so the maximum age of the rows that they show."""

KEEP_ALIVE_SECONDS = 0.5
"""The idle time after which a statement keeps the transaction alive: Postgres ends one that is idle for
`idle_in_transaction_session_timeout`, and so does a pooler."""

T = TypeVar("T")


class Snapshot:
    """The reads of one operation, answer by answer.

    While an answer is made (`answering`), the first read takes a connection and begins the transaction, and the others
    share it, one statement at a time. When the answer is made, `close` gives the connection back. In between, the
    operation must not wait for a client, a change or a second connection. A read at any other time has its own
    transaction.

    After a failed statement the transaction is over, and the other reads of the same answer fail like it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.kind = database.kind
        self._statement_lock = asyncio.Lock()
        self._turns: asyncio.Semaphore | None = None
        self._reader: Reader | None = None
        self._failure: Exception | None = None
        self._read_at = 0.0
        self.answering_now = False
        # Differs between two reads that may disagree.
        self.number = 0
        # Whether the next answer of a stream follows at once and shares the snapshot; see `series`.
        self.more_follow = False

    @asynccontextmanager
    async def answering(self, turns: asyncio.Semaphore | None = None) -> AsyncGenerator[None]:
        """A block that makes one answer, or several in a `series`. Its first read waits for one of the `turns`."""
        self._turns = turns
        self.answering_now = True
        try:
            yield
        finally:
            await self.close()

    async def renew(self) -> None:
        """Make the rest of the answer read from a new snapshot: it has to show what was committed meanwhile."""
        answering = self.answering_now
        await self.close()
        self.answering_now = answering

    async def close(self) -> None:
        """End the transaction and give the connection back: the answer is made. Idempotent."""
        self.answering_now = self.more_follow = False
        if self._statement_lock.locked():
            await shield_to_completion(self._close())
        else:
            self._failure = None
            await self._give_back()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Connection]:
        """The connection of the snapshot, for one read at a time: the block must not read by other means.

        Raises Unavailable when the database does not respond.
        """
        if self.answering_now:
            async with self._statement_lock:
                # The answer may have been made meanwhile: when a field fails, nothing waits for those beside it.
                if self.answering_now:
                    reader = await self._opened()
                    async with self._statement():
                        await reader.show_moment()
                        yield reader.connection
                    return
        async with self._database.read() as connection:
            yield connection

    async def fetch(self, statement: Statement, values: Values) -> list[Row]:
        """Return the driver's rows of a SELECT; they are as a `read` at the same time would find them.

        Raises Unavailable when the database does not respond.
        """
        if self.answering_now:
            async with self._statement_lock:
                if self.answering_now:
                    reader = await self._opened()
                    async with self._statement():
                        return await reader.fetch(statement.text, statement.arguments(values))
        return await self._database.fetch(statement, values)

    async def keep_alive(self) -> None:
        """Keep the transaction from being ended as idle; to be called in the pauses of a long answer."""
        if time.monotonic() - self._read_at > KEEP_ALIVE_SECONDS:
            async with self._statement_lock:
                reader: Reader | None = self._reader
                if reader is not None:
                    async with self._statement():
                        await reader.keep_alive()

    def series(self, items: Iterable[T]) -> Generator[T]:
        """Yield the items that can be answered from this snapshot: the first one, and more until SERIES_SECONDS passed.

        The caller must answer each of them. The items that are left need a new snapshot.
        """
        until = time.monotonic() + SERIES_SECONDS
        iterator = iter(items)
        following = next(iterator, None)
        while following is not None:
            item, following = following, next(iterator, None)
            self.more_follow = following is not None and time.monotonic() < until
            yield item
            if not self.more_follow:
                return

    async def _opened(self) -> Reader:
        if self._failure is not None:
            raise self._failure
        if self._reader is None:
            try:
                self._reader = await self._database.readers.take(self._turns)
            except Exception as error:
                self._failure = error
                raise
            async with self._statement():
                await self._reader.begin()
        return self._reader

    @asynccontextmanager
    async def _statement(self) -> AsyncGenerator[None]:
        """Execute statements; unless all succeed, end the transaction."""
        try:
            with translate_errors():
                yield
        except BaseException as error:
            if says_nothing_about_connection(error):
                raise
            interrupted = Unavailable("UNAVAILABLE", "The database does not answer.")
            await self._fail(error if isinstance(error, Exception) else interrupted)
            raise
        self._database.answered()
        self._read_at = time.monotonic()

    async def _fail(self, failure: Exception) -> None:
        self._failure = failure
        await self._give_back(broken=True)

    async def _close(self) -> None:
        async with self._statement_lock:
            self._failure = None
            await self._give_back()

    async def _give_back(self, *, broken: bool = False) -> None:
        self.number += 1
        reader, self._reader = self._reader, None
        if reader is not None:
            await self._database.readers.give_back(reader, self._turns, broken=broken)
