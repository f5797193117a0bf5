"""Errors with which Postgres, or a pooler in front of it, refuses a connection."""

import ssl
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from models.domain.errors import Unavailable
from models.lazy_import import lazily
from server.settings import PREFIX, WrongSettings

if TYPE_CHECKING:
    import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
else:
    asyncpg = lazily("asyncpg")

# SQLSTATEs that no later attempt changes: 28 invalid authorization, 3D no such database, 42501 insufficient privilege.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_REFUSED_STATES = ("28", "3D", "42501")
# PgBouncer answers 08P01 to everything; these are the messages that no later attempt changes.
_POOLER_STATE = "08P01"
_POOLER_REFUSALS = (
    "no such",
    "does not exist",
    "unsupported startup parameter",
    "authentication failed",
    "not allowed",
    "required",
)
_TLS_REJECTED = "rejected SSL upgrade"


@contextmanager
def refused_as_wrong_setting(name: str, location: str) -> Generator[None]:
    """Raise WrongSettings of this variable, with the answer of Postgres, for a connection that it refuses for good."""
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError, Unavailable) as error:
        refusal = next(filter(_is_final, _causes(error)), None)
        if refusal is None:
            raise
        raise WrongSettings(f"{PREFIX}{name}: {_first_line(refusal)} ({location})") from error


def explained(error: Unavailable) -> str:
    """Return the message of the error, with the answer of Postgres if there was one."""
    answer = next((cause for cause in _causes(error) if isinstance(cause, asyncpg.PostgresError)), None)
    return error.message if answer is None else f"{error.message} Cause: {_first_line(answer)}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes: SQLAlchemy's errors, then those of its adapter, then asyncpg's."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _is_final(error: BaseException) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        state = str(getattr(error, "sqlstate", None) or "")
        by_pooler = state == _POOLER_STATE and any(words in str(error) for words in _POOLER_REFUSALS)
        return state.startswith(_REFUSED_STATES) or by_pooler
    return isinstance(error, ssl.SSLError) or (isinstance(error, ConnectionError) and _TLS_REJECTED in str(error))


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0]
