"""Idempotency keys: the same request again, also at the same time, does nothing twice and gets the first answer."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models.db.database import Connection
from models.db.tables import IDEMPOTENCY_KEY
from models.domain.access import Viewer
from models.domain.errors import Conflict, DomainError, ErrorCode
from models.domain.rules import Problems
from models.writes.change import Change
from models.writes.store import Store, now

KEPT = timedelta(hours=24)
KEY_PATH = ("input", "idempotencyKey")

Answer = dict[str, Any]


async def run_once(
    store: Store,
    viewer: Viewer,
    operation: str,
    key: str | None,
    request: Mapping[str, Any],
    act: "Callable[[Idempotency], Awaitable[Answer]]",
    *,
    problems: Problems | None = None,
) -> Answer:
    """Run `act`, or return what it returned to an earlier request with the same key.

    `act` passes its answer to `remember` as the first statement of its transaction. Raises DomainErrors for the
    `problems` of the request, those of its key included, and Conflict (IDEMPOTENCY_CONFLICT) when the key was used for
    another request. Without `problems` only the key is checked.
    """
    if problems is None:
        problems = Problems()
        problems.key(key, KEY_PATH)
    problems.check()
    idempotency = Idempotency(store, viewer, operation, key, request)
    return await idempotency.once(lambda: act(idempotency))


class Idempotency:
    """One request with a key: `once` runs it, or finds what it answered before."""

    def __init__(
        self, store: Store, viewer: Viewer, operation: str, key: str | None, request: Mapping[str, Any]
    ) -> None:
        self._store = store
        self._owner = viewer.id
        self._operation = operation
        self._key = key
        self._hash = hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()

    async def once(self, act: Callable[[], Awaitable[Answer]]) -> Answer:
        """Do it unless it was done.

        `act` must call `remember` first thing in its transaction, before it looks at any state. Raises Conflict
        (IDEMPOTENCY_CONFLICT) when the key was used for another request.
        """
        if self._key is None:
            return await act()
        async with self._store.read() as connection:
            answered = await self._recall(connection)
        if answered is not None:
            return answered
        try:
            return await act()
        except (IntegrityError, DomainError):
            # Somebody with the same key committed first, which may be why we were refused: we left nothing behind.
            async with self._store.read() as connection:
                answered = await self._recall(connection)
            if answered is None:
                raise
            return answered

    async def remember(self, change: Change, answer: Answer) -> Answer:
        """Write the answer under the key, in the transaction that makes it true."""
        if self._key is not None:
            change.keep = True
            await change.connection.execute(
                sa.delete(IDEMPOTENCY_KEY).where(*self._mine(), IDEMPOTENCY_KEY.c.created_at < change.now - KEPT)
            )
            await change.connection.execute(
                sa.insert(IDEMPOTENCY_KEY).values(
                    owner_id=self._owner,
                    key=self._key,
                    operation=self._operation,
                    request_hash=self._hash,
                    answer=answer,
                    created_at=change.now,
                )
            )
        return answer

    async def amend(self, change: Change, answer: Answer) -> Answer:
        """What `remember` has written turned out to be this, in the same transaction."""
        if self._key is not None:
            await change.connection.execute(sa.update(IDEMPOTENCY_KEY).where(*self._mine()).values(answer=answer))
        return answer

    def _mine(self) -> list[sa.ColumnElement[bool]]:
        return [IDEMPOTENCY_KEY.c.owner_id == self._owner, IDEMPOTENCY_KEY.c.key == self._key]

    async def _recall(self, connection: Connection) -> Answer | None:
        query = sa.select(IDEMPOTENCY_KEY.c.operation, IDEMPOTENCY_KEY.c.request_hash, IDEMPOTENCY_KEY.c.answer).where(
            *self._mine(), IDEMPOTENCY_KEY.c.created_at >= now() - KEPT
        )
        found = (await connection.execute(query)).first()
        if found is None:
            return None
        operation, request_hash, answer = found
        if (operation, request_hash) != (self._operation, self._hash):
            raise Conflict(
                ErrorCode.IDEMPOTENCY_CONFLICT,
                "This idempotency key was used for another request.",
                KEY_PATH,
            )
        return answer


async def forget_old(store: Store) -> int:
    """Delete the keys that are older than a day; how many."""
    async with store.maintenance() as connection:
        old = sa.delete(IDEMPOTENCY_KEY).where(IDEMPOTENCY_KEY.c.created_at < now() - KEPT)
        return (await connection.execute(old)).rowcount
