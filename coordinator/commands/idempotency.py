"""Idempotency keys: a repeated request, concurrent ones included, is executed once and gets the first answer again."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from models.db import clock
from models.db.database import Connection
from models.db.prepared import Call, Prepared
from models.db.tables import IDEMPOTENCY_KEY
from models.domain.access import Viewer
from models.domain.errors import Conflict, DomainError, ErrorCode
from models.domain.rules import Problems
from models.lazy_import import lazily
from models.writes.change import Change
from models.writes.store import Store

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:
    # A server with SQLite does without it.
    postgresql = lazily("sqlalchemy.dialects.postgresql")

KEPT = timedelta(hours=24)
KEY_PATH = ("input", "idempotencyKey")

Answer = dict[str, Any]


class _Taken(Exception):
    """A request with the same key was committed meanwhile."""


def _values(*names: str) -> dict[str, sa.BindParameter[Any]]:
    return {name: sa.bindparam(f"to_{name}", type_=IDEMPOTENCY_KEY.c[name].type) for name in names}


def _remember(insert: "sqlite.Insert | postgresql.Insert") -> "sqlite.Insert | postgresql.Insert":
    """Insert the row, or replace one that has expired; it waits for a concurrent transaction with the same key."""
    expired = sa.bindparam("expired", type_=IDEMPOTENCY_KEY.c.created_at.type)
    inserted = insert.values(_values("owner_id", "key", "operation", "request_hash", "answer", "created_at"))
    return inserted.on_conflict_do_update(
        index_elements=["owner_id", "key"],
        set_={name: inserted.excluded[name] for name in ("operation", "request_hash", "answer", "created_at")},
        where=IDEMPOTENCY_KEY.c.created_at < expired,
    )


_REMEMBER = Prepared(
    _remember(sqlite.insert(IDEMPOTENCY_KEY)).returning(IDEMPOTENCY_KEY.c.key),
    lambda: _remember(postgresql.insert(IDEMPOTENCY_KEY)).returning(IDEMPOTENCY_KEY.c.key),
)
_AMEND = Prepared(
    sa.update(IDEMPOTENCY_KEY)
    .where(IDEMPOTENCY_KEY.c.owner_id == sa.bindparam("of_owner"), IDEMPOTENCY_KEY.c.key == sa.bindparam("of_key"))
    .values(_values("answer"))
)


async def run_once(
    store: Store,
    viewer: Viewer,
    operation: str,
    key: str | None,
    request: object,
    act: "Callable[[Idempotency], Awaitable[Answer]]",
    *,
    problems: Problems | None = None,
) -> Answer:
    """Run `act`, or return what it returned to an earlier request with the same key.

    `act` must pass its answer to `remember` as the first statement of its transaction, before it reads any state.
    `request` is a dataclass or JSON that differs between different requests.
    Raises DomainErrors for the `problems` of the request, those of its key included (without `problems`, only the key
    is checked), and Conflict (IDEMPOTENCY_CONFLICT) when the key was used for another request.
    """
    if problems is None:
        problems = Problems()
        problems.key(key, KEY_PATH)
    problems.check()
    idempotency = Idempotency(store, viewer, operation, key, request)
    answer = await idempotency.recall()
    if answer is not None:
        return answer
    try:
        return await act(idempotency)
    except (_Taken, DomainError):
        # A concurrent request with the same key may have committed first and caused this. This one has left
        # nothing behind, so the other's answer is its answer.
        answer = await idempotency.recall()
        if answer is None:
            raise
        return answer


def _hash(request: object) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: object) -> object:
    """Return the JSON value of a dataclass or of a type unknown to JSON. `asdict` would copy all metadata, which may be
    a megabyte."""
    if is_dataclass(value):
        values = {each: getattr(value, each.name) for each in fields(value)}
        # The hash must be the one of processes that do not know the field.
        return {
            each.name: found for each, found in values.items() if found is not None or "omit_none" not in each.metadata
        }
    return str(value)


class Idempotency:
    """The key of one request, and the answer stored under it. Without a key nothing is stored or found."""

    def __init__(self, store: Store, viewer: Viewer, operation: str, key: str | None, request: object) -> None:
        self._store = store
        self._owner = viewer.principal
        self._operation = operation
        self._key = key
        self._hash = None if key is None else _hash(request)

    async def recall(self) -> Answer | None:
        """Return the stored answer, if any. Raises Conflict when it belongs to another request."""
        if self._key is None:
            return None
        async with self._store.read() as connection:
            return await self._select(connection)

    async def remember(self, change: Change, answer: Answer) -> Answer:
        """Store the answer under the key, in the transaction that makes it true."""
        if self._key is not None:
            change.keep = True
            if not await change.execute(Call(_REMEMBER, [self._row(answer, change.now)])):
                raise _Taken
        return answer

    async def remember_in(self, connection: Connection, instant: datetime, answer: Answer) -> Answer:
        """Store the answer as `remember` does, in a write transaction that changes no job."""
        if self._key is not None:
            statement = _REMEMBER.plain(connection.dialect.name)
            if (await connection.execute(statement, self._row(answer, instant))).first() is None:
                raise _Taken
        return answer

    def _row(self, answer: Answer, instant: datetime) -> dict[str, Any]:
        row = {
            "owner_id": self._owner,
            "key": self._key,
            "operation": self._operation,
            "request_hash": self._hash,
            "answer": answer,
            "created_at": instant,
        }
        return {f"to_{name}": value for name, value in row.items()} | {"expired": instant - KEPT}

    async def amend(self, change: Change, answer: Answer) -> Answer:
        """Replace the answer that `remember` stored in this transaction."""
        if self._key is not None:
            values = {"to_answer": answer, "of_owner": self._owner, "of_key": self._key}
            await change.execute(Call(_AMEND, [values]))
        return answer

    async def _select(self, connection: Connection) -> Answer | None:
        oldest = await clock.current(connection) - KEPT
        query = sa.select(IDEMPOTENCY_KEY.c.operation, IDEMPOTENCY_KEY.c.request_hash, IDEMPOTENCY_KEY.c.answer).where(
            *self._own_row(), IDEMPOTENCY_KEY.c.created_at >= oldest
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

    def _own_row(self) -> list[sa.ColumnElement[bool]]:
        return [IDEMPOTENCY_KEY.c.owner_id == self._owner, IDEMPOTENCY_KEY.c.key == self._key]


async def prune(store: Store) -> int:
    """Delete the keys older than KEPT; return their number."""
    async with store.maintenance() as connection:
        oldest = await clock.current(connection) - KEPT
        expired = sa.delete(IDEMPOTENCY_KEY).where(IDEMPOTENCY_KEY.c.created_at < oldest)
        return (await connection.execute(expired)).rowcount
