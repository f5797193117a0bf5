"""Sessions: sockets and streams end with the token that opened them, when it expires and when it is revoked."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from starlette.requests import HTTPConnection

from coordinator.retrying import until_set
from models.domain.errors import Unavailable
from models.reads import revocations
from models.writes.store import Store
from server.auth.identity import Identity
from server.transports import CloseCode, Connections

log = logging.getLogger(__name__)

# How long a revoked token may go on with what it has open.
LOOK_SECONDS = 2.0


class Sessions:
    """Looks after every open connection whose identity came from a token."""

    def __init__(self, connections: Connections, store: Store) -> None:
        self._connections = connections
        self._store = store
        self._look_at = math.inf
        self._woken = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look from now on."""
        self._task = asyncio.create_task(self._run(), name="sessions")

    async def stop(self) -> None:
        """Look no more."""
        tasks = [*self._closing, *([] if self._task is None else [self._task])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def admit(self, identity: Identity) -> None:
        """Somebody came whose token may expire before the next look."""
        if identity.expires_at is not None and identity.expires_at < self._look_at:
            self._look_at = identity.expires_at
            self._woken.set()

    async def _run(self) -> None:
        while True:
            now = time.time()
            # One that has expired already is being closed, which its peer may delay.
            coming = [each.expires_at for each in self._open() if each.expires_at is not None and each.expires_at > now]
            self._look_at = min([now + LOOK_SECONDS, *coming])
            await self._until_then()
            self._close_expired()
            try:
                await self._close_revoked()
            except Unavailable:
                log.warning("revocations not read", extra={"action": "sessions.away"})
            except Exception:
                log.exception("revocations not read", extra={"action": "sessions.failed"})

    async def _until_then(self) -> None:
        while (left := self._look_at - time.time()) > 0:
            self._woken.clear()
            await until_set(self._woken, left)

    def _close_expired(self) -> None:
        now = time.time()
        self._close("The token has expired.", lambda identity: (identity.expires_at or math.inf) <= now)

    async def _close_revoked(self) -> None:
        """One statement, however many connections there are."""
        subjects = {identity.viewer.id for identity in self._open()}
        if not subjects:
            return
        async with self._store.read() as connection:
            found = await revocations.of_subjects(connection, subjects)
        self._close("The token was revoked.", lambda identity: is_revoked(identity, found))

    def _open(self) -> list[Identity]:
        found = [_identity(member.connection) for member in self._connections]
        return [identity for identity in found if identity is not None]

    def _close(self, reason: str, ended: Callable[[Identity], bool]) -> None:
        """A peer that does not read must not keep the others open."""

        def belongs(connection: HTTPConnection) -> bool:
            identity = _identity(connection)
            return identity is not None and ended(identity)

        if any(belongs(member.connection) for member in self._connections):
            task = asyncio.create_task(self._connections.close(CloseCode.FORBIDDEN, reason, belongs))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def is_revoked(identity: Identity, found: Mapping[str, datetime]) -> bool:
    """Whether the token is older than its subject's revocation; one of unknown age is."""
    not_before = found.get(identity.viewer.id)
    return not_before is not None and (identity.issued_at is None or identity.issued_at < not_before.timestamp())


def _identity(connection: HTTPConnection) -> Identity | None:
    """Of whom it is, when a token said so."""
    identity: Identity | None = getattr(connection.state, "identity", None)
    return identity if identity is not None and identity.revocable else None
