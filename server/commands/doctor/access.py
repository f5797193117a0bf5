"""Who may call the server, and the keys that it derives for links, uploads and webhooks."""

import sqlalchemy as sa

from coordinator.webhooks.signing import Secrets, Unsigned
from models.db.tables import WEBHOOK
from models.domain.errors import Unavailable
from server import keys
from server.auth import jwks
from server.commands import reading
from server.commands.doctor.findings import Check, Finding, Findings, State, apart
from server.database.database_setup import check_exists, opened
from server.settings import PREFIX, Settings, WrongSettings


async def _tokens(settings: Settings) -> Findings:
    if settings.auth_secret.get_secret_value():
        yield Finding("tokens", State.OK, f"they are signed with {PREFIX}AUTH_SECRET")
    if settings.auth_jwks_url:
        yield await _published(settings.auth_jwks_url)
    if not settings.production:
        found = "the profile is development: requests need no token, and every caller on this machine is an admin"
        yield Finding("tokens", State.OK, found)


async def _published(url: str) -> Finding:
    todo = f"correct {PREFIX}AUTH_JWKS_URL, or let this machine reach the issuer"
    try:
        found = await jwks.published(url)
    except jwks.UNPUBLISHED as error:
        reason = str(error) or type(error).__name__
        return Finding("tokens", State.FAIL, f"the keys of the issuer at {url} cannot be read: {reason}", todo)
    if not found:
        return Finding("tokens", State.FAIL, f"{url} has no key for RS256, ES256 or EdDSA", todo)
    return Finding("tokens", State.OK, f"the issuer publishes {len(found)} usable keys at {url}")


async def _keys(settings: Settings) -> Findings:
    if settings.secret_key.get_secret_value():
        yield Finding("keys", State.OK, f"they follow from {PREFIX}SECRET_KEY")
    elif settings.auth_secret.get_secret_value():
        yield Finding("keys", State.OK, f"they follow from {PREFIX}AUTH_SECRET")
    elif settings.database_url.startswith("sqlite"):
        there = "" if await apart(keys.KEY_FILE.is_file) else ", which `serve` makes when it starts first"
        yield Finding("keys", State.OK, f"they follow from {keys.KEY_FILE}{there}; keep it with the backups")
        if there:
            return
    else:
        todo = f"set {PREFIX}SECRET_KEY, the same for all processes (openssl rand -hex 32)"
        yield Finding("keys", State.WARN, f"they follow from {keys.KEY_FILE}, which other machines do not have", todo)
        if not await apart(keys.KEY_FILE.is_file):
            return
    async for finding in _webhooks(settings):
        yield finding


async def _webhooks(settings: Settings) -> Findings:
    """Decrypt the secret of the newest webhook: it was stored with the key of its time."""
    try:
        await check_exists(settings)
    except (WrongSettings, Unavailable):
        # The check of the database reports it.
        return
    secrets = Secrets(keys.derived(settings, "webhooks"))
    database = opened(settings)
    try:
        async with reading.moment(database) as connection:
            query = sa.select(WEBHOOK.c.id, WEBHOOK.c.secret).order_by(WEBHOOK.c.created_at.desc()).limit(1)
            row = (await connection.execute(query)).first()
    finally:
        await database.close()
    if row is None:
        return
    try:
        secrets.unseal(row.secret, row.id)
    except Unsigned as error:
        todo = f"set {PREFIX}SECRET_KEY back to what it was, or rotate the secrets of the webhooks"
        yield Finding("keys", State.FAIL, f"of the newest webhook, {error}", todo)
    else:
        yield Finding("keys", State.OK, "the secrets of webhooks can be decrypted")


CHECKS = (Check("tokens", _tokens), Check("keys", _keys))
