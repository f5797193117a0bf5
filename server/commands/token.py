"""The commands `token --jobs` and `revoke --token`: access tokens, from an operator's terminal."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import typer

from coordinator.commands import tokens
from coordinator.commands.tokens import IssuedToken, NewToken
from models.db import clock
from models.db.database import Connection
from models.domain.access import SYSTEM, Grant, Viewer
from models.domain.errors import DomainError, DomainErrors, Unavailable
from models.reads import queries
from models.writes import audit
from models.writes.store import Store
from server.auth.issuing import OPERATOR, check_text, seconds_of
from server.database.database_refusals import explained
from server.database.database_setup import check_exists, location, opened
from server.settings import PREFIX, Settings, WrongSettings

T = TypeVar("T")

# The option that gives each field of the input.
_OPTIONS: Final = {"jobIds": "--jobs", "grants": "--grants", "expiresInSeconds": "--expires", "label": "--label"}


async def make(
    settings: Settings,
    *,
    subject: str | None,
    name: str | None,
    jobs: str | None,
    grants: str,
    label: str | None,
    expires: str,
) -> int:
    """Print the secret of a new access token; return the exit status. `subject` is by default the owner of the jobs.

    Raises WrongSettings for a wrong option, and for a database that does not exist or is not migrated.
    """
    job_ids = None if jobs is None else _items(jobs)
    new = NewToken(job_ids, _grants(grants), int(seconds_of("--expires", expires)), label)

    async def insert(connection: Connection) -> IssuedToken:
        tokens.check(new)
        owner = await _owner(connection, subject, job_ids)
        check_text("--sub", owner)
        check_text("--name", owner if name is None else name)
        issued = await tokens.insert(connection, Viewer(owner, owner if name is None else name, ("user",)), new)
        await _note(connection, "token", issued.token_id)
        return issued

    issued = await _written(settings, insert)
    if issued is None:
        return 1
    typer.echo(f"scenewire: {issued.token_id} expires in {new.expires_in_seconds} seconds", err=True)
    typer.echo(issued.secret)
    return 0


async def revoke(settings: Settings, token_id: str) -> int:
    """Revoke an access token; return the exit status. Raises WrongSettings as `make`, and when there is no such token.

    Running servers look every other second.
    """

    async def end(connection: Connection) -> str:
        if not await tokens.revoke(connection, SYSTEM, token_id):
            raise WrongSettings(f"--token: there is no token {token_id!r} in {location(settings.database_url)}")
        await _note(connection, "revoke", token_id)
        return token_id

    if await _written(settings, end) is None:
        return 1
    typer.echo(f"The access token {token_id} is revoked in {location(settings.database_url)}.")
    return 0


async def _written(settings: Settings, write: Callable[[Connection], Awaitable[T]]) -> T | None:
    """Return what was written; None, with a message, when the database is unavailable. Raises WrongSettings."""
    await check_exists(settings)
    database = opened(settings)
    try:
        async with Store(database).write() as connection:
            return await write(connection)
    except (DomainError, DomainErrors) as error:
        raise WrongSettings(_explained(error.refusals[0] if isinstance(error, DomainErrors) else error)) from error
    except Unavailable as error:
        typer.echo(
            f"scenewire: {PREFIX}DATABASE_URL: {explained(error)} Used: {location(settings.database_url)}", err=True
        )
        return None
    finally:
        await database.close()


async def _note(connection: Connection, action: str, token_id: str) -> None:
    instant = await clock.current(connection)
    await audit.write(connection, [audit.operator_entry(OPERATOR, action, token_id, instant)])


async def _owner(connection: Connection, subject: str | None, job_ids: list[str] | None) -> str:
    """Return the subject, or else the owner of the jobs."""
    if subject is not None:
        return subject
    found = await queries.jobs_by_id(connection, SYSTEM, job_ids or ())
    if missing := [each for each in job_ids or () if each not in found]:
        raise WrongSettings(f"--jobs: there is no job {missing[0]!r}")
    owners = sorted({job.owner_id for job in found.values()})
    if len(owners) != 1:
        reason = "the jobs have several owners" if owners else "without --jobs, the owner must be named"
        raise WrongSettings(f"--sub is required: {reason}")
    return owners[0]


def _grants(text: str) -> list[Grant]:
    names = [each.upper() for each in _items(text)]
    if unknown := [each for each in names if each not in Grant.__members__]:
        allowed = ", ".join(grant.lower() for grant in Grant)
        raise WrongSettings(f"--grants: {unknown[0].lower()!r} is not a grant; the grants are {allowed}")
    return [Grant(each) for each in names]


def _items(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _explained(refusal: DomainError) -> str:
    path = refusal.path or []
    option = _OPTIONS.get(path[1]) if len(path) > 1 else None
    message = refusal.message
    for field, name in _OPTIONS.items():
        message = message.replace(field, name)
    if option is None:
        return message
    return f"{option}: {message}"
