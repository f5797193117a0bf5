"""The snapshot: one read transaction for everything in an answer, so that no answer contradicts itself."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from models.db.cancellation import shield_to_completion
from models.db.database import Connection, Database
from models.db.readers import Reader
from models.db.shared_reads import IDS
from models.db.statements import Row, Statement, Values
from models.db.unavailable import says_nothing_about_connection, translate_errors

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

    After a failed statement the transaction is over, and the other reads of the same answer fail like it. After one
    that was cancelled with its field, they go on in another transaction: such an answer has the error of another field,
    and may show two moments.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.kind = database.kind
        self.counts = database.counts
        self._lock: asyncio.Lock | None = None
        self._turns: asyncio.Semaphore | None = None
        self._reader: Reader | None = None
        self._failure: Exception | None = None
        self._read_at = 0.0
        self.answering_now = False
        # Differs between two reads that may disagree.
        self.number = 0
        # Whether the next answer of a stream follows at once and shares the snapshot; see `series`.
        self.more_follow = False

    def answering(self, turns: asyncio.Semaphore | None = None, made: Callable[[], None] | None = None) -> "_Answering":
        """A block that makes one answer, or several in a `series`. Its first read waits for one of the `turns`; `made`
        is called after it."""
        return _Answering(self, turns, made)

    def begin_answer(self, turns: asyncio.Semaphore | None) -> None:
        """Make the reads that follow read for one answer; `close` must follow."""
        self._turns = turns
        self.answering_now = True

    async def renew(self) -> None:
        """Make the rest of the answer read from a new snapshot: it has to show what was committed meanwhile."""
        answering = self.answering_now
        await self.close()
        self.answering_now = answering

    async def close(self) -> None:
        """End the transaction and give the connection back: the answer is made. Idempotent."""
        self.answering_now = self.more_follow = False
        if self._lock is not None and self._lock.locked():
            await shield_to_completion(self._close())
            return
        self._failure = None
        if self._reader is None:
            self.number += 1
        else:
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
                    reader = self._reader or await self._opened()
                    try:
                        rows = await reader.fetch(statement.text, statement.arguments(values))
                    except BaseException as error:  # cancellation: raised in the block
                        async with self._statement():
                            raise error
                    self._succeeded()
                    return rows
        return await self._database.fetch(statement, values)

    async def fetch_alone(self, statement: Statement, values: Values) -> list[Row]:
        """Return the driver's rows of a SELECT that is the only read of its answer, which needs no transaction then.

        Raises Unavailable when the database does not respond.
        """
        if not self.answering_now or self._reader is not None or self._failure is not None:
            return await self.fetch(statement, values)
        readers, turns, broken = self._database.readers, self._turns, True
        reader = await readers.take(turns)
        try:
            rows = await reader.fetch_alone(statement.text, statement.arguments(values))
            broken = False
        except Exception as error:
            # As after a failed `fetch`: who reads again meets a database that does not respond only once.
            with self._noted(), translate_errors():
                raise error
        finally:
            await readers.give_back(reader, turns, broken=broken, in_transaction=False)
        self._succeeded()
        return rows

    async def fetch_alone_by_id(
        self, statement: Statement, ids: Sequence[str], values: Mapping[str, Any], id_at: int
    ) -> Mapping[str, Row]:
        """Return the driver's rows by the id in the column `id_at`, perhaps with rows of other ids.

        `statement` selects the `ids` in its parameter of this name, and is the only read of its answer, as in
        `fetch_alone`; other answers may share it. Raises Unavailable when the database does not respond.
        """
        shared = self._database.shared_reads
        alone = not self.answering_now or self._reader is not None or self._failure is not None
        if shared is None or alone or self._turns is not None:
            return {row[id_at]: row for row in await self.fetch_alone(statement, {**values, IDS: ids})}
        try:
            found = await shared.rows(statement, ids, values, id_at)
        except Exception as error:
            self._failure = error
            raise
        self._succeeded()
        return found

    async def moment(self) -> Hashable:
        """Return the moment of the database (`models.db.moments`), before the first read of an answer.

        Raises Unavailable when the database does not respond; the reads of the answer then fail like it.
        """
        try:
            return await self._database.moments.now()
        except Exception as error:
            self._failure = error
            raise

    def moment_at_once(self) -> Hashable:
        """Return the same without waiting, None where that is not possible."""
        return self._database.moments.at_once()

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

    @property
    def _statement_lock(self) -> asyncio.Lock:
        """Held by one statement at a time. Most answers have one statement only, which needs no lock."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

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
            # A field that is cancelled beside a failed one says nothing about the database: the other reads go on.
            self._failure = error if isinstance(error, Exception) else None
            await self._give_back(broken=True)
            raise
        self._succeeded()

    @contextmanager
    def _noted(self) -> Generator[None]:
        """Make the other reads of the answer fail with the error of the block."""
        try:
            yield
        except Exception as error:
            self._failure = error
            raise

    def _succeeded(self) -> None:
        self._database.answered()
        self._read_at = time.monotonic()

    async def _close(self) -> None:
        async with self._statement_lock:
            self._failure = None
            await self._give_back()

    async def _give_back(self, *, broken: bool = False) -> None:
        self.number += 1
        reader, self._reader = self._reader, None
        if reader is not None:
            await self._database.readers.give_back(reader, self._turns, broken=broken)


class _Answering:
    """The block of `Snapshot.answering`. A generator would cost more than a short statement."""

    __slots__ = ("_made", "_snapshot", "_turns")

    def __init__(self, snapshot: Snapshot, turns: asyncio.Semaphore | None, made: Callable[[], None] | None) -> None:
        self._snapshot = snapshot
        self._turns = turns
        self._made = made

    async def __aenter__(self) -> None:
        self._snapshot.begin_answer(self._turns)

    async def __aexit__(self, *_error: object) -> None:
        await self._snapshot.close()
        if self._made is not None:
            self._made()
