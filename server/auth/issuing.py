"""The commands `token` and `revoke`: issue and revoke tokens without an identity provider."""

import re

import typer

from models.db import clock
from models.db.database import Connection
from models.domain.access import Role
from models.domain.errors import Unavailable
from models.reads import revocations
from models.writes import audit
from models.writes.store import Store
from server.auth.identity import SUBJECT_CHARACTERS, is_displayable
from server.auth.minting import mint, secret_of
from server.database.database_refusals import explained
from server.database.database_setup import check_exists, location, opened
from server.settings import PREFIX, Settings, WrongSettings

OPERATOR = "operator"
LONGEST_TTL_SECONDS = 365 * 24 * 3600
_TTL = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


async def token(settings: Settings, subject: str, roles: str, name: str | None, ttl: str) -> int:
    """Print a token signed with AUTH_SECRET; return the exit status. Raises WrongSettings."""
    key = secret_of(settings)
    if key is None:
        raise WrongSettings(
            "SCENEWIRE_AUTH_SECRET must be set: it signs the tokens, and the server checks them with it"
        )
    check_text("--sub", subject)
    check_text("--name", subject if name is None else name)
    issued = mint(settings, key, subject, subject if name is None else name, _roles(roles), _ttl_seconds(ttl))
    try:
        await _write(settings, "token", subject)
    except (Unavailable, WrongSettings) as error:
        typer.echo(f"scenewire: the token is not in the audit log: {error}", err=True)
    typer.echo(issued)
    return 0


async def revoke(settings: Settings, subject: str) -> int:
    """Revoke all tokens of the subject that were issued so far; return the exit status.

    Raises WrongSettings for an invalid subject, and for a database that does not exist or is not migrated.
    """
    check_text("--sub", subject)
    try:
        await _write(settings, "revoke", subject)
    except Unavailable as error:
        typer.echo(
            f"scenewire: {PREFIX}DATABASE_URL: {explained(error)} Used: {location(settings.database_url)}", err=True
        )
        return 1
    typer.echo(f"All tokens of {subject} that were issued before now are revoked in {location(settings.database_url)}.")
    return 0


async def _write(settings: Settings, action: str, subject: str) -> None:
    """Do the action and record it in the audit log. Raises Unavailable, and WrongSettings unless the database exists
    and is migrated."""
    await check_exists(settings)
    database = opened(settings)
    try:
        async with Store(database).write() as connection:
            await _act(connection, action, subject)
    finally:
        await database.close()


async def _act(connection: Connection, action: str, subject: str) -> None:
    instant = await clock.current(connection)
    if action == "revoke":
        await revocations.revoke(connection, subject, instant)
    await audit.write(connection, [audit.operator_entry(OPERATOR, action, subject, instant)])


def _roles(text: str) -> list[str]:
    roles = [role.strip() for role in text.split(",")]
    if unknown := sorted(set(roles) - {role.value for role in Role}):
        allowed = ", ".join(role.value for role in Role)
        raise WrongSettings(f"--roles: {unknown[0]!r} is not a role; the roles are {allowed}")
    return roles


def seconds_of(option: str, text: str) -> float:
    """Return the duration that an option states, in seconds. Raises WrongSettings."""
    match = _TTL.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise WrongSettings(f"{option}: {text!r} is not a duration such as 90s, 15m, 1h or 7d")
    return int(match[1]) * _UNITS[match[2]]


def _ttl_seconds(text: str) -> float:
    seconds = seconds_of("--ttl", text)
    if seconds > LONGEST_TTL_SECONDS:
        raise WrongSettings(f"--ttl: {text!r} is longer than 365d")
    return seconds


def check_text(option: str, text: str) -> None:
    """Raise WrongSettings for a subject or a name that cannot be displayed."""
    if not is_displayable(text):
        raise WrongSettings(f"{option} must be 1 to {SUBJECT_CHARACTERS} printable characters")
