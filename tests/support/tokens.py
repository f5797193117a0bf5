"""A server of the production profile, tokens for it, and clients with tokens."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey

from providers.port import Provider
from tests.support.client import Client, Json
from tests.support.server_app import App, running

SECRET = "a secret of the tests, long enough for anybody"


def token(subject: str, *roles: str, secret: str = SECRET, lasts: float = 3600.0, **claims: Any) -> str:
    """A token of the subject; a claim that is None is left out."""
    now = time.time()
    payload: Json = {"sub": subject, "roles": list(roles), "iat": now, "exp": now + lasts} | claims
    present = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode({"alg": "HS256"}, present, OctKey.import_key(secret))


class ProductionServer:
    """A production server and its clients."""

    def __init__(self, app: App, stack: AsyncExitStack) -> None:
        self.app = app
        self._stack = stack

    def client(self, bearer: str | None) -> Client:
        """Return a client with this token, or without one."""
        client = Client(self.app.url, bearer)
        self._stack.push_async_callback(client.close)
        return client

    def user(self, subject: str, *roles: str, **claims: Any) -> Client:
        """Return a client with a new token of this subject."""
        return self.client(token(subject, *roles, **claims))


@asynccontextmanager
async def production_server(
    folder: Path, providers: Mapping[str, Provider] | None = None, **settings: Any
) -> AsyncGenerator[ProductionServer]:
    """Run a server of the production profile. The scripted provider exists only if it is in `providers`."""
    usual: Json = {
        "profile": "production",
        "auth_secret": SECRET,
        "provider": "external",
        # The limits are tested in tests/attacks.
        "limit_failed_logins": 1_000_000,
        "limit_requests": 1_000_000,
    }
    async with running(folder, providers, **usual | settings) as app, AsyncExitStack() as stack:
        yield ProductionServer(app, stack)
