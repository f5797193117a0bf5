"""Failures of the commands `backup` and `restore`: one line for the operator, and the exit status."""

import sqlite3
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from obstore.exceptions import BaseError
from sqlalchemy.exc import DBAPIError

from coordinator.storage.media_errors import reason_of
from models.domain.errors import Unavailable
from models.lazy_import import lazily
from server.backup.manifest import BackupError
from server.database.database_refusals import explained

if TYPE_CHECKING:
    import asyncpg  # pyright: ignore[reportMissingTypeStubs] # it has none
else:
    asyncpg = lazily("asyncpg")

FAILED_STATUS = 1


@dataclass
class Outcome:
    """The exit status of a command."""

    status: int = 0


@contextmanager
def reported(command: str) -> Generator[Outcome]:
    """Print an expected failure of the block, which sets the status; any other error is raised."""
    outcome = Outcome()
    try:
        yield outcome
    except BackupError as error:
        _report(outcome, f"{command}: {error}")
    except Unavailable as error:
        cause = error.__cause__
        # A disk without space is no store that does not answer.
        has_reason = isinstance(cause, OSError | BaseError)
        reason = f"{error.message} Cause: {reason_of(cause)}" if has_reason else explained(error)
        _report(outcome, f"{command}: {reason}")
    except (OSError, BaseError, DBAPIError, sqlite3.Error, *_errors_of_asyncpg()) as error:
        _report(outcome, f"{command}: {reason_of(error)}")


def _report(outcome: Outcome, sentence: str) -> None:
    outcome.status = FAILED_STATUS
    typer.echo(f"scenewire: {sentence}", err=True)


def _errors_of_asyncpg() -> tuple[type[Exception], ...]:
    return (asyncpg.PostgresError, asyncpg.InterfaceError) if "asyncpg" in sys.modules else ()
