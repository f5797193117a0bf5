"""Write transactions. On Postgres each commits by itself; on SQLite those that wait for each other share a commit.

A durable commit on SQLite waits for the disk, and only one transaction of a file writes at a time. So a transaction
that is complete goes to the end of the queue for the connection, and the first of a group that gets it back commits for
all of them: one fsync for the group. Nothing is acknowledged before that commit. Without contention nothing is queued,
and a transaction commits at once.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncTransaction

from models.db.cancellation import shield_to_completion
from models.db.unavailable import translate_errors
from models.domain.errors import Unavailable


class Transaction(Protocol):
    """A write transaction; it is rolled back unless it is committed before its block ends."""

    connection: AsyncConnection

    async def commit(self) -> None:
        """Make the changes durable. Raises Unavailable when it is unknown whether they are."""
        ...


class OwnTransaction:
    """A transaction with a commit of its own."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    async def commit(self) -> None:
        """Commit."""
        await self.connection.commit()


class _Group:
    """Transactions that share one transaction of the database, and so its commit."""

    def __init__(self, connection: AsyncConnection, stack: AsyncExitStack) -> None:
        self.connection = connection
        self.stack = stack
        self.completed = 0
        self.committed = False
        self.error: Exception | None = None

    @property
    def ended(self) -> bool:
        return self.committed or self.error is not None


class SharedTransaction:
    """One transaction of a group: a savepoint, except the first one, whose failure concerns no other."""

    def __init__(self, commits: "SharedCommits", group: _Group, savepoint: AsyncTransaction | None) -> None:
        self.connection = group.connection
        self.group = group
        self.savepoint = savepoint
        self.completed = False
        self._commits = commits

    async def commit(self) -> None:
        """Commit together with the transactions that wait for the connection now."""
        await shield_to_completion(self._commits.commit(self))


class SharedCommits:
    """The write transactions of one SQLite file in this process. They take turns on one connection, first come first.

    `borrow` takes the connection, which goes back when the stack is closed; `limit_wait` bounds the wait for a turn.
    """

    def __init__(
        self,
        borrow: Callable[[AsyncExitStack], Awaitable[AsyncConnection]],
        limit_wait: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        self._borrow = borrow
        self._limit_wait = limit_wait
        # Serves waiters in the order of their arrival, which is what bounds a group: see `commit`.
        self._turn = asyncio.Lock()
        self._group: _Group | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """A transaction. Raises Unavailable when the file cannot be written in time."""
        with translate_errors():
            async with self._limit_wait():
                await self._turn.acquire()
            begun: list[SharedTransaction] = []
            try:
                try:
                    await self._begin(begun)
                    yield begun[0]
                finally:
                    for transaction in begun:
                        if not transaction.completed:
                            await shield_to_completion(self._roll_back(transaction))
            finally:
                self._turn.release()

    async def commit(self, transaction: SharedTransaction) -> None:
        """Complete the transaction, and commit it with its group."""
        group = transaction.group
        if transaction.savepoint is not None:
            await transaction.savepoint.commit()
        transaction.completed = True
        group.completed += 1
        await self._committed(group)

    async def _committed(self, group: _Group) -> None:
        """Let the transactions that already wait go first, then commit the group unless one of them did. Raises the
        error of the group's commit."""
        self._turn.release()
        await self._turn.acquire()
        if not group.ended:
            await self._end(group, commit=True)
            if group.error is not None:
                raise group.error
        elif group.error is not None:
            raise Unavailable("UNAVAILABLE", "The database does not answer.") from group.error

    async def _begin(self, begun: list[SharedTransaction]) -> None:
        """Append a transaction to `begun`: of the group that is not committed yet, or the first one of a new group."""
        if self._group is not None:
            await shield_to_completion(self._begin_in(self._group, begun))
            return
        async with AsyncExitStack() as stack:
            connection = await self._borrow(stack)
            await connection.begin()
            self._group = _Group(connection, stack.pop_all())
        begun.append(SharedTransaction(self, self._group, None))

    async def _begin_in(self, group: _Group, begun: list[SharedTransaction]) -> None:
        begun.append(SharedTransaction(self, group, await group.connection.begin_nested()))

    async def _roll_back(self, transaction: SharedTransaction) -> None:
        """Undo one transaction and keep the completed ones of its group.

        It has read what they wrote, so its caller must not learn of the result before they are committed.
        """
        group = transaction.group
        if group.ended:
            return
        if group.completed == 0:
            await self._end(group, commit=False)
            return
        try:
            # SQLite itself rolls everything back after some errors, such as a full disk; then there is no savepoint.
            await _required(transaction.savepoint).rollback()
        except Exception as error:
            group.error = error
            await self._end(group, commit=False)
        else:
            await self._committed(group)

    async def _end(self, group: _Group, *, commit: bool) -> None:
        """Commit or roll back the transaction of the group, and give its connection back."""
        self._group = None
        try:
            if commit:
                await group.connection.commit()
                group.committed = True
        except Exception as error:
            group.error = error
        finally:
            if group.error is not None:
                # The connection may still be inside a transaction; closing the file ends it in any case.
                await group.connection.invalidate()
            await group.stack.aclose()


def _required(savepoint: AsyncTransaction | None) -> AsyncTransaction:
    if savepoint is None:
        raise RuntimeError("only the first transaction of a group has no savepoint, and the others follow it")
    return savepoint
