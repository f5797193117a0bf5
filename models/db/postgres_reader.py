"""A reader of Postgres: asyncpg's connection below one of SQLAlchemy's pool. Write transactions use it, too."""

from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from models.db.statements import Arguments, Row

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_BEGIN_TO_WRITE = "BEGIN"


class PostgresReader:
    """A connection of which each statement has a timeout (`command_timeout`).

    `in_transaction_first` is SQL to execute at the start of each transaction, behind a pooler. There, two messages of
    one statement could reach two sessions, so each statement runs in a transaction.
    """

    ends_at_once = False

    def __init__(self, connection: AsyncConnection, driver: Any, in_transaction_first: str = "") -> None:
        self.connection = connection
        self.driver = driver
        self._pooled = bool(in_transaction_first)
        self._begin = f"{_BEGIN}; {in_transaction_first}" if in_transaction_first else _BEGIN
        self.begin_to_write = f"{_BEGIN_TO_WRITE}; {in_transaction_first}" if in_transaction_first else _BEGIN_TO_WRITE

    @property
    def usable(self) -> bool:
        """Whether the connection is open and outside a transaction."""
        return not self.driver.is_closed() and not self.driver.is_in_transaction()

    async def fetch(self, text: str, arguments: Arguments) -> list[Row]:
        """Return all rows of a SELECT."""
        return cast("list[Row]", await self.driver.fetch(text, *arguments))

    async def fetch_alone(self, text: str, arguments: Arguments) -> list[Row]:
        """Return all rows of a SELECT outside a transaction, which saves two round trips."""
        if not self._pooled:
            return await self.fetch(text, arguments)
        await self.begin()
        rows = await self.fetch(text, arguments)
        await self.end()
        return rows

    async def begin(self) -> None:
        """Begin a transaction that cannot write."""
        await self.driver.execute(self._begin)

    async def show_moment(self) -> None:
        """Do nothing: the first statement of the transaction does it, by whichever way."""

    async def keep_alive(self) -> None:
        """Execute a statement, before Postgres ends the idle transaction."""
        await self.driver.execute("SELECT 1")

    async def end(self) -> None:
        """End the transaction."""
        await self.driver.execute("ROLLBACK")

    def release(self) -> None:
        """Do nothing: a transaction leaves nothing behind."""

    def abort(self) -> None:
        """Close the socket: a server that does not respond would not confirm anything."""
        self.driver.terminate()
