"""`token` and `revoke`: what an operator of a small set-up does about tokens, without a service for it."""

import re
from datetime import timedelta

import typer

from models import migrations
from models.db.database import Connection, Database
from models.domain.access import Role
from models.domain.errors import Unavailable
from models.reads import revocations
from models.writes import audit
from models.writes.store import Store, now
from server.auth.identity import SUBJECT_CHARACTERS
from server.auth.tokens import mint, secret_of
from server.container import check_migrated
from server.settings import Settings, WrongSettings

OPERATOR = "operator"
_TTL = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


async def token(settings: Settings, subject: str, roles: str, name: str | None, ttl: str) -> int:
    """Print a token signed with AUTH_SECRET; answers the exit status."""
    key = secret_of(settings)
    if key is None:
        raise WrongSettings(
            "SCENEWIRE_AUTH_SECRET must be set: it signs the tokens, and the server checks them with it"
        )
    _check_text("--sub", subject)
    _check_text("--name", subject if name is None else name)
    made = mint(settings, key, subject, subject if name is None else name, _roles(roles), _lasting(ttl))
    try:
        await _write(settings, "token", subject)
    except (Unavailable, WrongSettings) as away:
        typer.echo(f"scenewire: the audit log does not have it: {away}", err=True)
    typer.echo(made)
    return 0


async def revoke(settings: Settings, subject: str) -> int:
    """Accept no token of the subject that exists by now; answers the exit status."""
    _check_text("--sub", subject)
    try:
        await _write(settings, "revoke", subject)
    except Unavailable as away:
        typer.echo(f"scenewire: {away}", err=True)
        return 1
    typer.echo(f"No token of {subject} that was issued until now is accepted any more.")
    return 0


async def _write(settings: Settings, action: str, subject: str) -> None:
    """What was done, and to whom. Raises Unavailable, and WrongSettings for a database that was not migrated."""
    database = Database(settings.database_url)
    try:
        if database.embedded:
            await migrations.upgrade(database)
        else:
            await check_migrated(settings)
        async with Store(database).write() as connection:
            await _act(connection, action, subject)
    finally:
        await database.close()


async def _act(connection: Connection, action: str, subject: str) -> None:
    if action == "revoke":
        await revocations.revoke(connection, subject, now())
    await audit.write(connection, [audit.plain(OPERATOR, action, subject)])


def _roles(text: str) -> list[str]:
    asked = [role.strip() for role in text.split(",")]
    if unknown := sorted(set(asked) - {role.value for role in Role}):
        raise WrongSettings(f"--roles: {unknown[0]} is none of {', '.join(role.value for role in Role)}")
    return asked


def _lasting(text: str) -> float:
    match = _TTL.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise WrongSettings(f"--ttl: {text} is no time such as 90s, 15m, 1h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])}).total_seconds()


def _check_text(option: str, text: str) -> None:
    if not (0 < len(text) <= SUBJECT_CHARACTERS and text.isprintable() and text.strip()):
        raise WrongSettings(f"{option} must be a text of 1 to {SUBJECT_CHARACTERS} printable characters")
