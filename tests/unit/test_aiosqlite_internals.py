"""What the connections to SQLite files override or use of aiosqlite beyond its public API is still there."""

import inspect
import sqlite3
from threading import Thread

from aiosqlite import Connection

from models.db.sqlite_reader import FileConnection
from models.db.sqlite_writer import WriterConnection


def test_connection_has_what_is_overridden_and_used() -> None:
    """The thread, which is not started yet, and how functions are handed to it."""
    connection = FileConnection(lambda: sqlite3.connect(":memory:"))
    assert isinstance(connection._thread, Thread)  # pyright: ignore[reportPrivateUsage]
    assert list(inspect.signature(Connection._execute).parameters) == ["self", "fn", "args", "kwargs"]  # pyright: ignore
    assert "_execute" in vars(WriterConnection)
    assert connection._running  # pyright: ignore[reportPrivateUsage]
    assert connection._connection is None  # pyright: ignore[reportPrivateUsage]
    assert "self._tx.put_nowait((future, function))" in inspect.getsource(Connection._execute)  # pyright: ignore
    assert isinstance(Connection._conn, property)  # pyright: ignore[reportPrivateUsage]


def test_close_and_stop_end_the_thread_by_the_overridden_method() -> None:
    """So that the thread is asked to end once only."""
    assert "self.stop()" in inspect.getsource(Connection.close)
    assert "stop" in vars(FileConnection)
    assert Connection.stop.__code__.co_argcount == 1  # pyright: ignore[reportUnknownMemberType]
