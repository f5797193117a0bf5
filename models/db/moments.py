"""Whether anything was committed since an earlier moment, at less than the cost of a read.

A moment is a value that is equal for two calls only if nothing was committed between them. What is read between two
calls with equal moments, in whatever transaction, is therefore what a read after the second call would return.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from models.db.statements import Row, Statement, Values

Fetch = Callable[[Statement, Values], Awaitable[Sequence[Row]]]


class Moments(Protocol):
    """The moments of one database."""

    async def now(self) -> Hashable:
        """Return this moment, None if it is unknown. Raises what the driver raises."""
        ...

    def at_once(self) -> Hashable:
        """Return this moment without waiting, None if it is unknown or has to be waited for."""
        ...

    def close(self) -> None:
        """Close what was opened for it; it is opened again when needed."""
        ...


class FileMoments:
    """The moments of an SQLite file, by a connection of its own that never writes.

    `PRAGMA data_version` changes when any other connection has committed, of whatever process; SQLite compares its
    header in shared memory for it (https://www.sqlite.org/pragma.html#pragma_data_version).
    """

    def __init__(self, arguments: Sequence[Any], options: Mapping[str, Any]) -> None:
        """The arguments are those of `sqlite3.connect`."""
        self._arguments = arguments
        # It runs on the event loop, where it must not wait for a lock.
        self._options = {**options, "timeout": 0.0, "check_same_thread": False, "isolation_level": None}
        self._file: sqlite3.Connection | None = None
        self._opened = 0

    async def now(self) -> Hashable:
        """Return this moment; None while a lock is held."""
        return self.at_once()

    def at_once(self) -> Hashable:
        """Return this moment; None while a lock is held."""
        try:
            if self._file is None:
                self._opened += 1
                self._file = sqlite3.connect(*self._arguments, **self._options)
            ((version,),) = self._file.execute("PRAGMA data_version")
        except sqlite3.Error:
            self.close()
            return None
        # The versions of two connections cannot be compared.
        return self._opened, version

    def close(self) -> None:
        """Close the connection."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


class PostgresMoments:
    """The moments of a Postgres, by one statement.

    Of two equal snapshots the later one sees what the earlier one saw: transactions that began meanwhile would be in
    it. It is equal only as long as no transaction of the whole server that writes begins or ends. A server that takes
    the place of another one, with transactions of the same numbers, was started at another time.

    https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        snapshot = sa.cast(sa.func.pg_current_snapshot(), sa.Text).label("snapshot")
        started = sa.cast(sa.func.pg_postmaster_start_time(), sa.Text).label("started")
        self._statement = Statement("postgresql", sa.select(snapshot, started))

    async def now(self) -> Hashable:
        """Return this moment."""
        (moment,) = await self._fetch(self._statement, {})
        return tuple(moment)

    def at_once(self) -> Hashable:
        """Return None: the statement has to be waited for."""
        return None

    def close(self) -> None:
        """Do nothing: the connection is one of the readers."""
