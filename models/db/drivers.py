"""The driver's connection below one of SQLAlchemy's, for the statements of write transactions.

SQLAlchemy's own execution of a statement costs several times as much as the statement. Both work on the same
transaction. On SQLite, a list of statements is one call into the thread that owns the file; on Postgres, statements
that do not depend on each other are sent as one.
"""

import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from models.db.cancellation import shield_to_completion
from models.db.prepared import FORMS, Call
from models.db.sqlite_reader import FileConnection
from models.lazy_import import lazily

if TYPE_CHECKING:
    import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
else:
    asyncpg = lazily("asyncpg")

Row = tuple[Any, ...]
Rows = list[Row]

# SQL without parameters; or a statement, its sets of arguments, and whether it returns rows.
Step = str | tuple[str, Sequence[Row], bool]

_PLACEHOLDER = re.compile(r"\$(\d+)")


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


class SqliteDriver:
    """An aiosqlite connection. Each method is one call into its thread."""

    def __init__(self, connection: AsyncConnection, driver: FileConnection) -> None:
        self.connection = connection
        self._driver = driver

    async def begin(self) -> None:
        """Begin a transaction that may write, unless the connection is in one."""
        if not self._driver.in_transaction:
            await self.run((), before=["BEGIN IMMEDIATE"])

    async def run(self, calls: Sequence[Call], *, before: Sequence[str] = (), after: Sequence[str] = ()) -> list[Rows]:
        """Execute everything in order; return the rows of each call."""
        steps: list[Step] = list(before)
        compiled = [statement.on("sqlite") for statement, _ in calls]
        for each, (statement, parameters) in zip(compiled, calls, strict=True):
            steps.append((each.text, [each.arguments(values) for values in parameters], statement.returns_rows))
        steps += after
        found = await self._driver.on_thread(lambda: run_steps(self._driver.file, steps))
        return [each.converted(rows) for each, rows in zip(compiled, found, strict=True)]

    async def run_together(
        self, calls: Sequence[Call], *, before: Sequence[str] = (), after: Sequence[str] = ()
    ) -> Rows:
        """Execute everything in order; return the rows of the last call."""
        found = await self.run(calls, before=before, after=after)
        return found[-1] if found else []

    async def roll_back(self) -> None:
        """Roll the transaction back, if one was begun."""
        await self._driver.rollback()


def run_steps(connection: sqlite3.Connection, steps: Sequence[Step]) -> list[Rows]:
    """Execute the steps in the thread of the file; return the rows of each statement with arguments."""
    found: list[Rows] = []
    for step in steps:
        if isinstance(step, str):
            connection.execute(step)
            continue
        text, arguments, returns_rows = step
        if len(arguments) == 1:
            cursor = connection.execute(text, arguments[0])
            found.append(cursor.fetchall() if returns_rows else [])
        else:
            connection.executemany(text, arguments)
            found.append([])
    return found


class PostgresDriver:
    """An asyncpg connection, below SQLAlchemy's adapter."""

    def __init__(self, connection: AsyncConnection, adapter: Any, driver: Any) -> None:
        self.connection = connection
        self._adapter = adapter
        self._driver = driver

    async def begin(self) -> None:
        """Begin a transaction, unless the connection is in one."""
        if not self._driver.is_in_transaction():
            # As SQLAlchemy does before its first statement, so that it ends this transaction as its own.
            try:
                await self._adapter._start_transaction()
            except Exception as error:
                # The adapter raises an error of its own, from that of the driver.
                raise (error.__cause__ or error) from None

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
            await self._invalidate_unless_refused(error)
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
            await self._invalidate_unless_refused(error)
            raise
        return found

    async def _execute(self, texts: Sequence[str]) -> None:
        await self.begin()
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

    async def _invalidate_unless_refused(self, error: BaseException) -> None:
        """Give the connection up after a timeout, a cancellation or a loss; not when the server refused a statement."""
        if not isinstance(error, asyncpg.PostgresError) or self._driver.is_closed():
            await shield_to_completion(self.connection.invalidate(error))


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


async def driver_of(connection: AsyncConnection) -> SqliteDriver | PostgresDriver:
    """Return the driver below a connection."""
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    if connection.dialect.name == "postgresql":
        return PostgresDriver(connection, raw.dbapi_connection, driver)
    return SqliteDriver(connection, driver)
