"""Sessions: close sockets and streams when the token that opened them expires or is revoked."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from starlette.requests import HTTPConnection

from coordinator.retrying import until_set
from coordinator.tasks import Tasks
from models.db.cancellation import raise_if_cancelled
from models.domain.errors import Unavailable
from models.reads import revocations, tokens
from models.writes.store import Store
from server.auth.identity import Identity, connected_as
from server.transports.closing import CloseCode
from server.transports.connections.registry import Connections

log = logging.getLogger(__name__)

# The interval of reading revocations: the longest time a connection stays open after its token was revoked.
CHECK_SECONDS = 2.0
_REVOKED = "The token was revoked."


class Sessions:
    """Watches every open connection whose identity came from a token."""

    def __init__(self, connections: Connections, store: Store) -> None:
        self._connections = connections
        self._store = store
        # By the monotonic clock: the system clock may be set back.
        self._next_check_at = math.inf
        self._woken = asyncio.Event()
        # Whether a token was ever accepted: without any, thousands of connections need not be looked at.
        self._has_tokens = False
        self._tasks = Tasks("sessions")

    async def start(self) -> None:
        """Start watching."""
        self._tasks.start(self._run())

    async def stop(self) -> None:
        """Stop watching."""
        await self._tasks.stop()

    def admit(self, identity: Identity) -> None:
        """Check earlier than planned when the token of a new connection expires before the next check."""
        if identity.expires_at is None:
            return
        self._has_tokens = True
        check_at = time.monotonic() + identity.expires_at - time.time()
        if check_at < self._next_check_at:
            self._next_check_at = check_at
            self._woken.set()

    def close_revoked_token(self, token_id: str) -> None:
        """Close the connections of an access token that was revoked."""
        self._close(_REVOKED, lambda identity: _access_token(identity) == token_id)

    async def _run(self) -> None:
        while True:
            now = time.time()
            # Connections whose token has expired are being closed already, which a slow peer may delay.
            lifetimes = [each.expires_at - now for each in self._open() if each.expires_at and each.expires_at > now]
            self._next_check_at = time.monotonic() + min([CHECK_SECONDS, *lifetimes])
            await self._until_next_check()
            # Looked at once for everything: there may be thousands.
            identities = self._open()
            self._close_expired(identities)
            try:
                await self._close_revoked(identities)
            except Unavailable as error:
                raise_if_cancelled(error)
                log.warning("Cannot read revocations", extra={"action": "sessions.unavailable"})
            except Exception as error:
                raise_if_cancelled(error)
                log.exception("Cannot read revocations", extra={"action": "sessions.defect"})

    async def _until_next_check(self) -> None:
        while (left := self._next_check_at - time.monotonic()) > 0:
            self._woken.clear()
            await until_set(self._woken, left)

    def _close_expired(self, identities: Sequence[Identity]) -> None:
        now = time.time()

        def is_over(identity: Identity) -> bool:
            return (identity.expires_at or math.inf) <= now

        if any(map(is_over, identities)):
            self._close("The token has expired.", is_over)

    async def _close_revoked(self, identities: Sequence[Identity]) -> None:
        """Close the connections of revoked tokens. One SQL statement for all connections, and one for access tokens."""
        subjects = {identity.viewer.id for identity in identities}
        access_tokens = {each for each in map(_access_token, identities) if each is not None}
        if not subjects:
            return
        async with self._store.read() as connection:
            revoked = await revocations.of_subjects(connection, subjects)
            over = await tokens.revoked(connection, list(access_tokens)) if access_tokens else set[str]()
        if revoked or over:
            self._close(_REVOKED, lambda identity: is_revoked(identity, revoked) or _access_token(identity) in over)

    def _open(self) -> list[Identity]:
        if not self._has_tokens:
            return []
        identities = [_identity(member.connection) for member in self._connections]
        return [identity for identity in identities if identity is not None]

    def _close(self, reason: str, ended: Callable[[Identity], bool]) -> None:
        """Close the matching connections in a task of its own: a peer that does not read must not delay the others."""

        def belongs(connection: HTTPConnection) -> bool:
            identity = _identity(connection)
            return identity is not None and ended(identity)

        if any(belongs(member.connection) for member in self._connections):
            self._tasks.start(self._connections.close(CloseCode.FORBIDDEN, reason, belongs), "closing sessions")


def is_revoked(identity: Identity, revoked: Mapping[str, datetime]) -> bool:
    """Whether the token is older than the revocation of its subject."""
    not_before = revoked.get(identity.viewer.id)
    return not_before is not None and is_older(identity, not_before)


def is_older(identity: Identity, instant: datetime) -> bool:
    """Whether the token was issued before the instant; a token without `iat` counts as older."""
    return identity.issued_at is None or identity.issued_at < instant.timestamp()


def _access_token(identity: Identity) -> str | None:
    """Return the id of the access token that the identity came from."""
    return None if identity.viewer.scope is None else identity.viewer.scope.token_id


def _identity(connection: HTTPConnection) -> Identity | None:
    """Return the identity of the connection if it came from a token."""
    identity = connected_as(connection)
    return identity if identity is not None and identity.revocable else None
