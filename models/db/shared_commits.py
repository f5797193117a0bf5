"""Write transactions on SQLite: those that wait for each other share a commit.

A durable commit on SQLite waits for the disk, and only one transaction of a file writes at a time. So a transaction
that is complete gives the connection to the next one. The first of a group queues for it again, and commits for all of
them: one fsync for the group. Nothing is acknowledged before that commit. Without contention nothing is queued, and a
transaction commits at once.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType

from sqlalchemy.ext.asyncio import AsyncConnection

from models.db.cancellation import shield_to_completion
from models.db.commit_group import CommitGroup
from models.db.prepared import Call
from models.db.sqlite_writer import BEGIN, SqliteDriver
from models.db.transactions import OnDriver, Transaction
from models.db.turn import Turn
from models.db.unavailable import translate_errors, unavailable_file
from models.domain.errors import Unavailable

_SAVEPOINT = "SAVEPOINT change"
_RELEASE = "RELEASE change"
_ROLL_BACK_TO = "ROLLBACK TO change"


class SharedTransaction(OnDriver):
    """One transaction of a group: a savepoint, except the first one, whose failure concerns no other."""

    endures_cancellation = True

    def __init__(self, commits: "SharedCommits", group: CommitGroup) -> None:
        super().__init__(group.driver)
        self.group = group
        self.completed = False
        self.has_turn = True
        self._has_savepoint = False
        self._begun = False
        self._commits = commits

    @property
    def is_committed(self) -> bool:
        """Whether the changes are durable."""
        return self.completed and self.group.committed

    def stays_on_loop(self, calls: Sequence[Call]) -> bool:
        """Whether these statements, as its next ones, need no wait."""
        return self._begun and self.group.driver.stays_on_loop(calls)

    async def begun(self) -> AsyncConnection:
        """Return its connection, after the transaction is begun."""
        if not self._begun:
            await self._send()
        return self._driver.connection

    async def commit(self, calls: Sequence[Call] = ()) -> None:
        """Execute the last statements, and commit together with the transactions that wait for the connection now."""
        await self._commits.commit(self, calls)

    async def complete(self, calls: Sequence[Call]) -> None:
        """Execute the last statements, which another transaction of the group will commit."""
        opening = self._opening()
        await self._driver.run_together(calls, before=opening, after=[_RELEASE] if self._has_savepoint else [])
        self.completed = True

    async def complete_alone(self, calls: Sequence[Call]) -> None:
        """Execute the last statements, and commit. A cancellation is raised after that; `completed` says whether it is
        committed."""
        ending = self.group.driver.committing(calls, self._opening())
        try:
            await ending
        finally:
            self.completed = ending.done() and ending.exception() is None

    async def roll_back(self) -> None:
        """Undo what was written since the savepoint, if it was set."""
        if self._has_savepoint:
            await self._driver.run((), before=[_ROLL_BACK_TO, _RELEASE])

    def _opening(self) -> Sequence[str]:
        """Return what begins the transaction, once: with its first statement, it may be one call into the thread."""
        if self._begun:
            return ()
        self._begun = True
        if not self.group.begun:
            self.group.begun = True
            return (BEGIN,)
        self._has_savepoint = True
        return (_SAVEPOINT,)


class _Block:
    """The block of one transaction. Not a generator, which every change would make and register at the event loop."""

    __slots__ = ("_commits", "_transaction")

    def __init__(self, commits: "SharedCommits") -> None:
        self._commits = commits

    async def __aenter__(self) -> Transaction:
        self._transaction = await self._commits.begin()
        return self._transaction

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._commits.leave(self._transaction)
        if error is None:
            self._commits.answered()
        else:
            translate_errors().__exit__(kind, error, trace)


class SharedCommits:
    """The write transactions of one SQLite file in this process. They take turns on one connection, first come first.

    `borrow` takes the connection, which is kept until an error or `close`; a transaction waits for its turn for
    `longest_wait` seconds at most, and `answered` is called after a transaction that did not fail.
    """

    def __init__(
        self,
        borrow: Callable[[AsyncExitStack], Awaitable[SqliteDriver]],
        longest_wait: float,
        answered: Callable[[], None],
    ) -> None:
        self._borrow = borrow
        self._longest_wait = longest_wait
        self.answered = answered
        # Serves waiters in the order of their arrival, which is what bounds a group: see `commit`.
        self._turn = Turn()
        self._group: CommitGroup | None = None
        self._driver: SqliteDriver | None = None
        self._borrowed = AsyncExitStack()

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction. Raises Unavailable when the file cannot be written in time."""
        return _Block(self)

    async def begin(self) -> SharedTransaction:
        """Return a transaction that has its turn; `leave` must follow. Raises Unavailable."""
        with translate_errors():
            await self._turn.take(self._longest_wait)
            try:
                return SharedTransaction(self, self._group or await self._new_group())
            except BaseException:
                self._turn.give()
                raise

    async def leave(self, transaction: SharedTransaction) -> None:
        """Roll the transaction back unless it was committed, and let the next one have its turn. Raises Unavailable."""
        try:
            if not transaction.completed:
                with translate_errors():
                    await shield_to_completion(self._roll_back(transaction))
        finally:
            if transaction.has_turn:
                self._turn.give()

    async def commit(self, transaction: SharedTransaction, calls: Sequence[Call]) -> None:
        """Complete the transaction, and commit it with its group; at once when no other one is concerned."""
        if not transaction.group.completed and not self._turn.waiting:
            await self._commit_alone(transaction, calls)
        elif transaction.stays_on_loop(calls):
            await self._commit_with_others(transaction, calls)
        else:
            # Cancelled, its savepoint might be released by the thread while it is rolled back here.
            await shield_to_completion(self._commit_with_others(transaction, calls))

    async def close(self) -> None:
        """Give the connection back, unless a transaction has it."""
        if not self._turn.is_taken:
            if self._driver is not None:
                self._driver.release()
            await self._drop()

    async def _new_group(self) -> CommitGroup:
        if self._driver is None:
            async with AsyncExitStack() as stack:
                self._driver = await self._borrow(stack)
                self._borrowed = stack.pop_all()
        self._group = CommitGroup(self._driver)
        return self._group

    async def _commit_alone(self, transaction: SharedTransaction, calls: Sequence[Call]) -> None:
        # Without a task of its own, which takes as long as handing the commit to the thread.
        try:
            await transaction.complete_alone(calls)
        finally:
            if transaction.completed:
                transaction.group.completed += 1
                await self._end(transaction.group, committed=True)

    async def _commit_with_others(self, transaction: SharedTransaction, calls: Sequence[Call]) -> None:
        await transaction.complete(calls)
        transaction.group.completed += 1
        await self._committed(transaction)

    async def _committed(self, transaction: SharedTransaction) -> None:
        """Let the transactions that already wait go first, then commit the group unless one of them did; all others of
        the group wait for that. Raises the error of the group's commit. A cancellation is raised after it."""
        group = transaction.group
        transaction.has_turn = False
        self._turn.give()
        if group.is_led:
            await group.end()
        else:
            group.is_led = True
            await shield_to_completion(self._lead(transaction))
        if group.error is not None:
            # As the transaction that commits the group: the disk may be full.
            unavailable = unavailable_file(group.error)
            raise unavailable or Unavailable("UNAVAILABLE", "The database does not answer.") from group.error

    async def _lead(self, transaction: SharedTransaction) -> None:
        group = transaction.group
        await self._turn.take()
        transaction.has_turn = True
        if not group.ended:
            await self._commit_group(group)
            if group.error is not None:
                raise group.error

    async def _commit_group(self, group: CommitGroup) -> None:
        ending = group.driver.committing()
        try:
            await ending
        except Exception as error:
            group.error = error
        finally:
            await self._end(group, committed=ending.done() and ending.exception() is None)

    async def _roll_back(self, transaction: SharedTransaction) -> None:
        """Undo one transaction and keep the completed ones of its group.

        It has read what they wrote, so its caller must not learn of the result before they are committed.
        """
        group = transaction.group
        if group.ended:
            return
        try:
            if group.completed == 0:
                await self._roll_back_group(group)
                return
            # SQLite itself rolls everything back after some errors, such as a full disk; then there is no savepoint.
            await transaction.roll_back()
        except Exception as error:
            group.error = error
            await self._end(group)
        else:
            await self._committed(transaction)

    async def _roll_back_group(self, group: CommitGroup) -> None:
        if group.begun:
            await group.driver.roll_back()
        await self._end(group)

    async def _end(self, group: CommitGroup, *, committed: bool = False) -> None:
        """End the group, whose transaction is over or must end with its connection."""
        self._group = None
        group.committed = committed
        connection = group.driver.connection
        try:
            if group.error is not None or connection.invalidated or connection.in_transaction():
                await shield_to_completion(self._clear(connection, broken=group.error is not None))
        finally:
            group.wake()

    async def _clear(self, connection: AsyncConnection, *, broken: bool) -> None:
        if broken:
            # The connection may still be inside a transaction; closing the file ends it in any case.
            await connection.invalidate()
        if connection.invalidated:
            await self._drop()
        elif connection.in_transaction():
            # A statement was executed through SQLAlchemy, which must not take its transaction for open.
            await connection.rollback()

    async def _drop(self) -> None:
        """Give the connection back; the next transaction takes another."""
        self._driver = None
        borrowed, self._borrowed = self._borrowed, AsyncExitStack()
        await borrowed.aclose()
