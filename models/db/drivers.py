"""The driver's connection below one of SQLAlchemy's, for the statements of write transactions.

SQLAlchemy's own execution of a statement costs several times as much as the statement, and so does its end of a
transaction. Both work on the same transaction, which the driver begins and ends. `sqlite_writer` has the driver of a
file; on Postgres, statements that do not depend on each other are sent as one.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from models.db.prepared import FORMS, Call
from models.lazy_import import lazily

if TYPE_CHECKING:
    import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
else:
    asyncpg = lazily("asyncpg")

Row = tuple[Any, ...]
Rows = list[Row]

_PLACEHOLDER = re.compile(r"\$(\d+)")


class TransactionFailed(Exception):
    """A transaction could not be committed, because one of its statements had failed; nothing of it is stored."""


class Driver(Protocol):
    """The driver's connection of a write transaction. Its methods raise what the driver raises."""

    connection: AsyncConnection

    async def begin(self) -> None:
        """Begin a transaction, unless the connection is in one."""
        ...

    async def run(self, calls: Sequence[Call], *, before: Sequence[str] = (), after: Sequence[str] = ()) -> list[Rows]:
        """Execute SQL without parameters, the calls, and more SQL, in order; return the rows of each call."""
        ...

    async def run_together(
        self, calls: Sequence[Call], *, before: Sequence[str] = (), after: Sequence[str] = ()
    ) -> Rows:
        """As `run`, for calls that neither read nor change what another one of them changes; return the last rows."""
        ...


class PostgresDriver:
    """An asyncpg connection. `begin` is the SQL that begins a transaction on it.

    SQLAlchemy's connection must begin none by itself (AUTOCOMMIT), as one on the driver would be unknown to it.
    """

    def __init__(self, connection: AsyncConnection, driver: Any, begin: str) -> None:
        self.connection = connection
        self._driver = driver
        self._begin = begin
        self._begun = False

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun, and has not ended with a commit or with the connection."""
        # asyncpg cannot say it of a closed connection.
        return not self._driver.is_closed() and self._driver.is_in_transaction()

    async def begin(self) -> None:
        """Begin a transaction, unless the connection is in one."""
        try:
            await self._execute(())
        except BaseException as error:
            self._close_unless_refused(error)
            raise

    async def commit(self) -> None:
        """End the transaction, if one was begun; it is durable then.

        Raises TransactionFailed when it was rolled back instead, and an error of the driver when the session is lost.
        """
        if not self._begun:
            return
        if not self._driver.is_closed() and not self._driver.is_in_transaction():
            raise TransactionFailed("the transaction has ended before its commit")
        try:
            status = await self._driver.execute("COMMIT")
        except BaseException as error:
            self._close_unless_refused(error)
            raise
        if status != "COMMIT":
            raise TransactionFailed(f"the transaction ended with {status}: one of its statements had failed")

    async def run(self, calls: Sequence[Call], *, before: Sequence[str] = (), after: Sequence[str] = ()) -> list[Rows]:
        """Execute everything in order; return the rows of each call."""
        found: list[Rows] = []
        try:
            await self._execute(before)
            for call in calls:
                rows = await self._call([call])
                found.append(rows)
            await self._execute(after)
        except BaseException as error:
            self._close_unless_refused(error)
            raise
        return found

    async def run_together(
        self, calls: Sequence[Call], *, before: Sequence[str] = (), after: Sequence[str] = ()
    ) -> Rows:
        """Send neighbouring calls that have one set of parameters as one statement; return the rows of the last."""
        found: Rows = []
        try:
            await self._execute(before)
            for several, group in groupby(calls, key=lambda call: len(call.parameters) > 1):
                for part in [[call] for call in group] if several else [list(group)]:
                    found = await self._call(part)
            await self._execute(after)
        except BaseException as error:
            self._close_unless_refused(error)
            raise
        return found

    async def _execute(self, texts: Sequence[str]) -> None:
        # Once: what was lost with the transaction must not be left out of a second one.
        if not self._begun:
            texts = [self._begin, *texts]
            self._begun = True
        if texts:
            await self._driver.execute(";".join(texts))

    async def _call(self, calls: Sequence[Call]) -> Rows:
        compiled = [statement.on("postgresql") for statement, _ in calls]
        last, (_, parameters) = compiled[-1], calls[-1]
        if len(parameters) > 1:
            await self._driver.executemany(last.text, [last.arguments(values) for values in parameters])
            return []
        text = last.text if len(calls) == 1 else _together(tuple(each.text for each in compiled))
        arguments = [
            argument
            for each, call in zip(compiled, calls, strict=True)
            for argument in each.arguments(call.parameters[0])
        ]
        return last.converted(await self._driver.fetch(text, *arguments))

    def _close_unless_refused(self, error: BaseException) -> None:
        """Give the connection up after a timeout, a cancellation or a loss; not when the server refused a statement."""
        if not isinstance(error, asyncpg.PostgresError):
            # Ends the transaction, and the locks of its rows, although the server may not respond.
            self._driver.terminate()


@lru_cache(FORMS)
def _together(texts: tuple[str, ...]) -> str:
    """Return one statement that does what all of them do, with the rows of the last one.

    https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING
    """
    numbered: list[str] = []
    taken = 0
    for text in texts:
        numbered.append(_PLACEHOLDER.sub(lambda found, taken=taken: f"${int(found[1]) + taken}", text))
        taken += max((int(number) for number in _PLACEHOLDER.findall(text)), default=0)
    parts = ", ".join(f"part_{number} AS ({text})" for number, text in enumerate(numbered[:-1]))
    return f"WITH {parts} {numbered[-1]}"


async def postgres_driver(connection: AsyncConnection) -> PostgresDriver:
    """Return the driver below a connection of Postgres without a pooler, on which SQLAlchemy begins no transactions."""
    raw = await connection.get_raw_connection()
    return PostgresDriver(connection, raw.driver_connection, "BEGIN")
