"""Access tokens of requests: looked up by the hash of their secret, at most once a second for each."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

from coordinator.bus.port import Message, Resync, TokenRevoked
from coordinator.commands.tokens import REVOCATION_DELAY, SECRET_PREFIX, hash_of, note_used
from coordinator.tasks import Tasks
from models.db import clock
from models.db.cancellation import raise_if_cancelled
from models.domain.errors import Unavailable
from models.reads import tokens
from models.reads.tokens import FoundToken
from models.writes.store import Store
from server.auth.identity import Identity, Unauthenticated

log = logging.getLogger(__name__)

MAX_AGE_SECONDS: Final = 1.0
"""How long a token is used as it was read: the longest time for which a revoked one is still accepted by a process that
was not notified."""

REMEMBERED_TOKENS: Final = 10_000
SECRET_CHARACTERS: Final = 100

USE_INTERVAL_SECONDS: Final = 60.0
"""The shortest time between two writes of the last use of a token."""


class _Known(NamedTuple):
    """A valid token as it was read at `read_at`, by the monotonic clock."""

    identity: Identity
    token_id: str
    read_at: float

    def is_fresh(self) -> bool:
        """Whether it needs no look at the database now."""
        return time.monotonic() - self.read_at < MAX_AGE_SECONDS and time.time() < (self.identity.expires_at or 0.0)


class AccessTokens:
    """Identifies requests by access tokens, and stores when each token was last used."""

    def __init__(self, store: Store, close_revoked: Callable[[str], None]) -> None:
        """`close_revoked` closes the connections of a token."""
        self._store = store
        self._close_revoked = close_revoked
        self._known: OrderedDict[str, _Known] = OrderedDict()
        # Raised by each notification: a token that was read before it may be revoked since.
        self._notified = 0
        self._noted_at: OrderedDict[str, float] = OrderedDict()
        self._used = dict[str, None]()
        self._woken = asyncio.Event()
        self._tasks = Tasks("access tokens")

    async def start(self) -> None:
        """Start storing when tokens are used."""
        self._tasks.start(self._run())

    async def stop(self) -> None:
        """Stop."""
        await self._tasks.stop()

    async def check(self, secret: str) -> Identity:
        """Return the identity of a secret. Raises Unauthenticated, and Unavailable when it cannot be looked up."""
        known = self._known.get(secret)
        if known is None or not known.is_fresh():
            known = await self._read(secret)
        self._note(known.token_id)
        return known.identity

    def verified(self, secret: str) -> Identity | None:
        """Return the identity that `check` would return without waiting; None leaves it to `check`."""
        known = self._known.get(secret)
        if known is None or not known.is_fresh():
            return None
        self._note(known.token_id)
        return known.identity

    def on_message(self, message: Message) -> None:
        """Forget a token that was revoked, and close its connections; forget all when messages may have been lost."""
        if isinstance(message, TokenRevoked):
            self._notified += 1
            self._known = OrderedDict(each for each in self._known.items() if each[1].token_id != message.token_id)
            self._close_revoked(message.token_id)
        elif isinstance(message, Resync):
            self._notified += 1
            self._known.clear()

    async def _read(self, secret: str) -> _Known:
        if len(secret) > SECRET_CHARACTERS:
            raise Unauthenticated("The token is too long.")
        started_at, notified = time.monotonic(), self._notified
        async with self._store.read() as connection:
            found = await tokens.by_hash(connection, hash_of(secret), clock.expression(connection))
        self._known.pop(secret, None)
        known = _Known(_accepted(found), found.row.id, started_at) if found is not None else None
        if known is None:
            raise Unauthenticated("The token is not accepted.")
        if notified == self._notified:
            self._known[secret] = known
            if len(self._known) > REMEMBERED_TOKENS:
                self._known.popitem(last=False)
        return known

    def _note(self, token_id: str) -> None:
        noted_at = self._noted_at.get(token_id)
        now = time.monotonic()
        if noted_at is not None and now - noted_at < USE_INTERVAL_SECONDS:
            return
        self._noted_at[token_id] = now
        self._noted_at.move_to_end(token_id)
        if len(self._noted_at) > REMEMBERED_TOKENS:
            self._noted_at.popitem(last=False)
        self._used[token_id] = None
        self._woken.set()

    async def _run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            used, self._used = list(self._used), {}
            try:
                async with self._store.write() as connection:
                    await note_used(connection, used, timedelta(seconds=USE_INTERVAL_SECONDS))
            except Unavailable as error:
                raise_if_cancelled(error)
                log.warning("Cannot store when tokens were used", extra={"action": "tokens.unavailable"})
            except Exception as error:
                raise_if_cancelled(error)
                log.exception("Cannot store when tokens were used", extra={"action": "tokens.defect"})


def is_secret(token: str) -> bool:
    """Whether a bearer token is the secret of an access token, rather than a JSON Web Token."""
    return token.startswith(SECRET_PREFIX)


def _accepted(found: FoundToken) -> Identity:
    """Return the identity of a token. Raises Unauthenticated for one that is over."""
    if found.row.revoked_at is not None:
        raise Unauthenticated("The token was revoked.")
    if found.expires_in_seconds <= 0:
        raise Unauthenticated("The token has expired.")
    # Its maker may have been revoked already, by a process or a transaction that was not seen yet.
    made_at = found.row.created_at - REVOCATION_DELAY
    # Connections are closed by the clock of this process, which may differ from that of the database.
    return Identity(found.viewer, time.time() + found.expires_in_seconds, made_at.timestamp())
