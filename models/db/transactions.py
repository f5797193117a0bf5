"""Write transactions: the statements of both databases, and the transaction of Postgres, which commits by itself."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from models.db.drivers import Driver, PostgresDriver, Rows
from models.db.prepared import Call

_ATTEMPT = "attempt"


class Transaction(Protocol):
    """A write transaction; it is rolled back unless it is committed before its block ends."""

    async def begun(self) -> AsyncConnection:
        """Return its connection, for statements through SQLAlchemy."""
        ...

    async def run(self, calls: Sequence[Call]) -> list[Rows]:
        """Execute statements in order; return the rows of each."""
        ...

    async def run_together(self, calls: Sequence[Call]) -> Rows:
        """Execute statements that neither read nor change what another one changes; return the rows of the last."""
        ...

    async def set_savepoint(self) -> None:
        """Begin an attempt, which `release_savepoint` keeps and `roll_back_to_savepoint` undoes."""
        ...

    async def release_savepoint(self) -> None:
        """Keep what the attempt wrote."""
        ...

    async def roll_back_to_savepoint(self) -> None:
        """Undo what the attempt wrote, and end it."""
        ...

    @property
    def is_committed(self) -> bool:
        """Whether the changes are durable."""
        ...

    endures_cancellation: bool
    """Whether a cancellation of `commit` is raised only when it is known whether the changes are durable, and other
    statements hardly ever wait. Otherwise callers use `shield_to_completion`."""

    async def commit(self, calls: Sequence[Call] = ()) -> None:
        """Execute the last statements, as `run_together` does, and make all changes durable.

        Raises Unavailable when it is unknown whether they are.
        """
        ...


class OnDriver:
    """The part of a transaction that is the same on both databases; `_opening` is sent before its first statement."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def run(self, calls: Sequence[Call]) -> list[Rows]:
        """Execute statements in order; return the rows of each."""
        return await self._driver.run(calls, before=self._opening())

    async def run_together(self, calls: Sequence[Call]) -> Rows:
        """Execute statements that neither read nor change what another one changes; return the rows of the last."""
        return await self._driver.run_together(calls, before=self._opening())

    async def set_savepoint(self) -> None:
        """Begin an attempt."""
        await self._send(f"SAVEPOINT {_ATTEMPT}")

    async def release_savepoint(self) -> None:
        """Keep what the attempt wrote."""
        await self._send(f"RELEASE SAVEPOINT {_ATTEMPT}")

    async def roll_back_to_savepoint(self) -> None:
        """Undo what the attempt wrote, and end it."""
        await self._send(f"ROLLBACK TO SAVEPOINT {_ATTEMPT}", f"RELEASE SAVEPOINT {_ATTEMPT}")

    async def _send(self, *texts: str) -> None:
        await self._driver.run((), before=[*self._opening(), *texts])

    def _opening(self) -> Sequence[str]:
        return ()


class OwnTransaction(OnDriver):
    """A transaction of Postgres, with a commit of its own."""

    endures_cancellation = False

    def __init__(self, driver: PostgresDriver) -> None:
        super().__init__(driver)
        self._own = driver
        self.is_committed = False

    async def begun(self) -> AsyncConnection:
        """Return its connection, after the transaction is begun."""
        await self._own.begin()
        return self._own.connection

    async def commit(self, calls: Sequence[Call] = ()) -> None:
        """Execute the last statements, and commit."""
        if calls:
            await self.run_together(calls)
        await self._own.commit()
        self.is_committed = True
