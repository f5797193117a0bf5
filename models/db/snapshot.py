"""The snapshot: one read transaction for everything in an answer, so that no answer contradicts itself."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import sqlalchemy as sa

from models.db.cancellation import shield_to_completion
from models.db.database import Connection, Database
from models.db.unavailable import translate_errors
from models.domain.errors import DomainError, Unavailable

log = logging.getLogger(__name__)

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
        self._statement_lock = asyncio.Lock()
        self._turns: asyncio.Semaphore | None = None
        self._borrowed = AsyncExitStack()
        self._connection: Connection | None = None
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
        if self._connection is None and self._failure is None and not self._statement_lock.locked():
            self.number += 1
            return
        await shield_to_completion(self._close())

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[Connection]:
        """The connection of the snapshot, for one read at a time: the block must not read by other means.

        Raises Unavailable when the database does not respond.
        """
        if self.answering_now:
            async with self._statement_lock:
                # The answer may have been made meanwhile: when a field fails, nothing waits for those beside it.
                if self.answering_now:
                    connection = await self._opened()
                    async with self._statement():
                        yield connection
                    return
        async with self._database.connect(self._database.reader) as connection:
            yield connection

    async def keep_alive(self) -> None:
        """Keep the transaction from being ended as idle; to be called in the pauses of a long answer."""
        if self._connection is not None and time.monotonic() - self._read_at > KEEP_ALIVE_SECONDS:
            async with self.read() as connection:
                await connection.execute(sa.text("SELECT 1"))

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

    async def _opened(self) -> Connection:
        if self._failure is not None:
            raise self._failure
        if self._connection is None:
            try:
                async with AsyncExitStack() as stack:
                    self._connection = await self._database.borrow(stack, self._database.reader, self._turns)
                    self._borrowed = stack.pop_all()
            except Exception as error:
                self._failure = error
                raise
        return self._connection

    @asynccontextmanager
    async def _statement(self) -> AsyncGenerator[None]:
        """Execute statements; unless all succeed, end the transaction."""
        try:
            with translate_errors():
                yield
        except DomainError:
            raise
        except BaseException as error:
            interrupted = Unavailable("UNAVAILABLE", "The database does not answer.")
            self._failure = error if isinstance(error, Exception) else interrupted
            await shield_to_completion(self._give_back())
            raise
        self._database.answered()
        self._read_at = time.monotonic()

    async def _close(self) -> None:
        async with self._statement_lock:
            await self._give_back()
            self._failure = None

    async def _give_back(self) -> None:
        self._connection = None
        self.number += 1
        borrowed, self._borrowed = self._borrowed, AsyncExitStack()
        try:
            await borrowed.aclose()
        except Exception:
            # The pool replaces the connection; the answer has been made, or has failed for a better reason.
            log.warning("a read transaction could not be ended", exc_info=True, extra={"action": "snapshot.close"})
