"""Translates driver errors: a database that is down, overloaded or full raises Unavailable instead."""

import sqlite3
import sys
from types import TracebackType
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from models.db.cancellation import raise_if_cancelled
from models.domain.errors import Unavailable
from models.lazy_import import lazily

if TYPE_CHECKING:
    import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
else:
    asyncpg = lazily("asyncpg")

# SQLSTATEs, https://www.postgresql.org/docs/current/errcodes-appendix.html
# Disk full, out of memory.
_OUT_OF_SPACE = ("53100", "53200")
_SQLITE_OUT_OF_SPACE = ("is full", "disk I/O error", "readonly database", "unable to open")
# Classes 08 connection, 40 rolled back, 53 resources; 28 and 3D refuse a connection, which the operator can fix.
_TRANSIENT_CLASSES = ("08", "28", "3D", "40", "53")
# 25P03 idle in transaction, 55P03 lock timeout, 57014 canceled; 57P shutdown is checked by its prefix.
_TRANSIENT_STATES = ("25P03", "55P03", "57014")


def _errors_of_asyncpg() -> tuple[type[Exception], ...]:
    """Return the errors that the driver raises; none where it was never imported, as in a process with SQLite."""
    if "asyncpg" not in sys.modules:
        return ()
    return asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError


def says_nothing_about_connection(error: BaseException) -> bool:
    """Whether an error was raised between two statements by other code, which leaves the connection as it was."""
    of_database = (SQLAlchemyError, sqlite3.Error, OSError, Unavailable)
    return isinstance(error, Exception) and not isinstance(error, of_database + _errors_of_asyncpg())


def refused_by_server(error: BaseException) -> bool:
    """Whether Postgres refused a statement, and responds: the transaction is over, but not its connection."""
    if isinstance(error, DBAPIError):
        return not error.connection_invalidated and getattr(error.orig, "sqlstate", None) is not None
    return "asyncpg" in sys.modules and isinstance(error, asyncpg.PostgresError)


class _Translating:
    """Not a generator: every transaction enters it, and hardly any has an error."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception):
            return
        unavailable = _translation(error)
        raise_if_cancelled(unavailable or error)
        if unavailable is not None:
            raise unavailable from error


_TRANSLATING = _Translating()


def translate_errors() -> _Translating:
    """Return a block that raises Unavailable for temporary errors of the database.

    Errors of the statement itself pass. While the task is being cancelled, the block raises the cancellation instead of
    an error, which closing a connection may cause.
    """
    return _TRANSLATING


def _translation(error: Exception) -> Unavailable | None:
    """Return what an error is for clients, if it is a temporary one of the database.

    It is not raised to be caught again: its traceback would have the frames whose variables it is, and keep them until
    the garbage collector finds the cycle.
    """
    match error:
        case IntegrityError():
            return None
        case DBAPIError():
            return _unavailable(error.orig, disconnected=error.connection_invalidated)
        # Code on the driver's own connection, such as a reader or the queue, raises the driver's own errors.
        case sqlite3.Error():
            return unavailable_file(error)
        case _ if isinstance(error, _errors_of_asyncpg()):
            return _unavailable(error, disconnected=not isinstance(error, asyncpg.PostgresError))
        case OSError() | PoolTimeoutError():
            return Unavailable("UNAVAILABLE", "The database does not answer.")
        case _:
            return None


def unavailable_file(error: Exception) -> Unavailable | None:
    """Return what an error of an SQLite file is for clients, if it is a temporary one."""
    return _unavailable(error, disconnected=False)


def _unavailable(error: BaseException | None, *, disconnected: bool) -> Unavailable | None:
    text = str(error)
    state = str(getattr(error, "sqlstate", "") or "")
    if state in _OUT_OF_SPACE or any(words in text for words in _SQLITE_OUT_OF_SPACE):
        return Unavailable("STORAGE", "The database cannot store anything just now.")
    transient = state[:2] in _TRANSIENT_CLASSES or state[:3] == "57P" or state in _TRANSIENT_STATES
    if transient or disconnected or "database is locked" in text or "connection" in text.lower():
        return Unavailable("UNAVAILABLE", "The database does not answer.")
    return None
