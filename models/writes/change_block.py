"""The block in which a change is collected."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from models.db.transactions import Transaction
from models.writes.change import Change
from models.writes.outbox import Subscription

Begun = tuple[Change, Sequence[Subscription] | None]
"""A change whose block begins, and the webhooks of its job, where they were read with it."""


class ChangeBlock:
    """The block of a change: within a transaction, it begins the change, and finishes it unless there is an error.

    Not a generator, which every change would make and register at the event loop.
    """

    __slots__ = ("_begin", "_begun", "_finish", "_in_transaction", "_transaction")

    def __init__(
        self,
        in_transaction: AbstractAsyncContextManager[Transaction],
        begin: Callable[[Transaction], Awaitable[Begun]],
        finish: Callable[[Transaction, Change, Sequence[Subscription] | None], Coroutine[None, None, None]],
    ) -> None:
        self._in_transaction = in_transaction
        self._begin = begin
        self._finish = finish

    async def __aenter__(self) -> Change:
        self._transaction = await self._in_transaction.__aenter__()
        try:
            self._begun = await self._begin(self._transaction)
        except BaseException as error:
            await self._in_transaction.__aexit__(type(error), error, error.__traceback__)
            raise
        return self._begun[0]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if error is None:
            try:
                await self._finish(self._transaction, *self._begun)
            except BaseException as failure:
                await self._in_transaction.__aexit__(type(failure), failure, failure.__traceback__)
                raise
        return await self._in_transaction.__aexit__(kind, error, trace)
