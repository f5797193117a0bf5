"""Reads by id that arrive together, in one statement.

A statement and its round trip cost several times as much CPU time as the row of one id. Requests of many clients arrive
in the same turn of the event loop, or while the statement of others is on its way.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from models.db.cancellation import raise_if_cancelled
from models.db.statements import Row, Statement, Values

Fetch = Callable[[Statement, Values], Awaitable[Sequence[Row]]]
Found = Mapping[str, Row]
Key = tuple[Hashable, ...]

IDS = "ids"
"""The parameter of a statement that is the list of ids."""

MOST_IDS = 200
"""So many ids are read by one statement."""

AT_ONCE = 2
"""After so many statements that are on their way, others of the same kind wait for one of them to end."""

LONGEST_WAIT_SECONDS = 0.02
"""So long: a statement that takes longer, perhaps because the database does not respond, must not delay others."""


class _Group:
    """Reads that wait for one statement. The first of them executes it."""

    __slots__ = ("ids", "start", "waiters")

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids = dict.fromkeys(ids)
        self.waiters: list[asyncio.Future[Found | Exception | None]] = []
        self.start: asyncio.Future[None] | None = None

    def end(self, outcome: Found | Exception | None) -> None:
        """Hand on the rows or the error; None when neither is known."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(outcome)


class SharedReads:
    """The reads by id of one database, outside of transactions.

    Reads share a statement only if it is the same with equal parameters, such as the viewer, beside the ids; and only
    before it is executed, so each shows a moment after its own beginning.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._open: dict[Key, _Group] = {}
        self._running: Counter[Key] = Counter()

    async def rows(self, statement: Statement, ids: Sequence[str], values: Mapping[str, Any], id_at: int) -> Found:
        """Return the rows of these ids, and perhaps of others, by the id, which is their column `id_at`.

        Raises what `fetch` raises.
        """
        key: Key = (statement, *values.items())
        while True:
            group = self._open.get(key)
            if group is None:
                return await self._lead(key, statement, ids, values, id_at)
            if len(group.ids) + len(ids) > MOST_IDS:
                return await self._read(statement, ids, values, id_at)
            group.ids.update(dict.fromkeys(ids))
            waiter: asyncio.Future[Found | Exception | None] = asyncio.get_running_loop().create_future()
            group.waiters.append(waiter)
            outcome = await waiter
            if isinstance(outcome, Exception):
                raise outcome
            # Else the first of the group was cancelled.
            if outcome is not None:
                return outcome

    async def _lead(
        self, key: Key, statement: Statement, ids: Sequence[str], values: Mapping[str, Any], id_at: int
    ) -> Found:
        group = self._open[key] = _Group(ids)
        outcome: Found | Exception | None = None
        try:
            await self._joined(key, group)
            del self._open[key]
            self._running[key] += 1
            try:
                found = outcome = await self._read(statement, list(group.ids), values, id_at)
            finally:
                self._ended(key)
        except Exception as error:
            # An error in cleaning up after a cancellation of this read is none of the others.
            raise_if_cancelled(error)
            outcome = error
            raise
        finally:
            if self._open.get(key) is group:
                del self._open[key]
            group.end(outcome)
        return found

    async def _joined(self, key: Key, group: _Group) -> None:
        """Wait until the requests that have arrived are in the group, and for a statement before it to end."""
        await asyncio.sleep(0)
        if self._running[key] < AT_ONCE:
            return
        loop = asyncio.get_running_loop()
        group.start = loop.create_future()
        timer = loop.call_later(LONGEST_WAIT_SECONDS, _resolve, group.start)
        try:
            await group.start
        finally:
            timer.cancel()

    def _ended(self, key: Key) -> None:
        self._running[key] -= 1
        if not self._running[key]:
            del self._running[key]
        following = self._open.get(key)
        if following is not None and following.start is not None:
            _resolve(following.start)

    async def _read(self, statement: Statement, ids: Sequence[str], values: Mapping[str, Any], id_at: int) -> Found:
        return {row[id_at]: row for row in await self._fetch(statement, {**values, IDS: ids})}


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
