"""The statements of a change: its writes are collected, and sent at its end or before a statement that must see it."""

from models.db.database import Connection
from models.db.drivers import Row
from models.db.prepared import Call
from models.db.transactions import Transaction
from models.writes.pending import Pending


class Collected:
    """The rows that a transaction has still to write, and its statements.

    Within an attempt, which may be undone, `outer` holds what precedes it. The attempt has a savepoint from its first
    statement that writes; as long as it only collects, there is nothing to undo in the database.
    """

    def __init__(self, transaction: Transaction) -> None:
        self.pending = Pending()
        self._transaction = transaction
        self._outer: Pending | None = None
        self._has_savepoint = False

    def begin_attempt(self) -> None:
        """Collect in a way that can be undone."""
        self._outer, self.pending, self._has_savepoint = self.pending, Pending(), False

    async def keep_attempt(self) -> None:
        """Keep what was collected and written since `begin_attempt`."""
        if self._outer is not None:
            if self._has_savepoint:
                await self._transaction.release_savepoint()
            self._outer.add(self.pending)
            self.pending, self._outer = self._outer, None

    async def undo_attempt(self) -> None:
        """Undo what was collected and written since `begin_attempt`."""
        if self._outer is not None:
            self.pending, self._outer = self._outer, None
            if self._has_savepoint:
                await self._transaction.roll_back_to_savepoint()

    async def read(self, call: Call, *, flush: bool = True) -> list[Row]:
        """Return the rows of a statement that sees everything collected so far, unless it may not (`flush`)."""
        if flush:
            await self.flush()
        return (await self._transaction.run([call]))[0]

    async def execute(self, call: Call) -> list[Row]:
        """Execute a statement that writes, after everything collected so far; return its rows."""
        await self._set_savepoint()
        return await self.read(call)

    async def connection(self) -> Connection:
        """Return the connection of the transaction, on which everything collected so far is written."""
        await self._set_savepoint()
        await self.flush()
        return await self._transaction.begun()

    async def flush(self) -> None:
        """Write everything collected so far."""
        if self._outer:
            await self._transaction.run_together(self._outer.take())
        if self.pending:
            await self._set_savepoint()
            await self._transaction.run_together(self.pending.take())

    async def _set_savepoint(self) -> None:
        """Within an attempt, write what precedes it, and let the rest be undone with it."""
        if self._outer is not None and not self._has_savepoint:
            if self._outer:
                await self._transaction.run_together(self._outer.take())
            await self._transaction.set_savepoint()
            self._has_savepoint = True
