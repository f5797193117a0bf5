"""The SELECTs of access tokens; those by id are scoped by the viewer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from models.db.database import Connection
from models.db.rows import columns_by_name, select_columns
from models.db.token_tables import TOKEN, TOKEN_JOB
from models.domain.access import Grant, TokenScope, Viewer
from models.domain.ids import is_id
from models.reads.queries import Condition


class TokenRow(NamedTuple):
    """An access token as stored; fields as in `token_tables.AccessToken`."""

    id: str
    owner_id: str
    owner_name: str
    label: str | None
    grants: list[str]
    all_jobs: bool
    serves_all: bool
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class FoundToken(NamedTuple):
    """The token of a secret, the principal of requests with it, and the seconds until it expires."""

    row: TokenRow
    viewer: Viewer
    expires_in_seconds: float


_SELECT = sa.select(*select_columns(TokenRow._fields, columns_by_name(TOKEN, TokenRow._fields)))


def visible(viewer: Viewer) -> Condition:
    """Return the condition that a token is visible: to its owner and administrators, not with an access token."""
    if viewer.scope is not None:
        return sa.false()
    return sa.true() if viewer.sees_all else TOKEN.c.owner_id == viewer.id


async def by_hash(connection: Connection, token_hash: str, now: sa.ColumnElement[datetime]) -> FoundToken | None:
    """Return the token with this hash, expired and revoked ones included; `now` is the instant of the database."""
    found = (await connection.execute(_SELECT.add_columns(now).where(TOKEN.c.token_hash == token_hash))).first()
    if found is None:
        return None
    *columns, instant = found
    row = TokenRow._make(columns)
    jobs = None if row.all_jobs else frozenset((await _jobs(connection, [row.id]))[row.id].items())
    scope = TokenScope(row.id, frozenset(map(Grant, row.grants)), jobs, row.serves_all)
    viewer = Viewer(row.owner_id, row.owner_name, ("user",), scope)
    return FoundToken(row, viewer, (row.expires_at - instant).total_seconds())


async def revoked(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return those of these tokens that are revoked, or exist no more."""
    query = sa.select(TOKEN.c.id).where(TOKEN.c.id.in_(ids), TOKEN.c.revoked_at.is_(None))
    return set(ids) - set((await connection.execute(query)).scalars())


async def tokens_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, TokenRow]:
    """Return those of these tokens that are visible."""
    proper = [each for each in ids if is_id(each, "token")]
    if not proper:
        return {}
    found = await connection.execute(_SELECT.where(TOKEN.c.id.in_(proper), visible(viewer)))
    return {row.id: TokenRow._make(row) for row in found}


async def of_owner(connection: Connection, viewer: Viewer, limit: int) -> list[TokenRow]:
    """Return the latest tokens that the viewer has made, newest first."""
    query = _SELECT.where(TOKEN.c.owner_id == viewer.id, visible(viewer))
    query = query.order_by(TOKEN.c.created_at.desc(), TOKEN.c.id.desc()).limit(limit)
    return [TokenRow._make(row) for row in await connection.execute(query)]


async def count_of_owner(connection: Connection, owner_id: str, instant: datetime) -> int:
    """Return the number of tokens of an owner that are valid at this instant."""
    query = sa.select(sa.func.count()).where(
        TOKEN.c.owner_id == owner_id, TOKEN.c.expires_at > instant, TOKEN.c.revoked_at.is_(None)
    )
    return (await connection.execute(query)).scalar_one()


async def jobs_of_tokens(connection: Connection, token_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the jobs that each of these tokens names, the oldest first."""
    return {token_id: list(jobs) for token_id, jobs in (await _jobs(connection, token_ids)).items()}


async def labels(connection: Connection, token_ids: Sequence[str]) -> Mapping[str, str | None]:
    """Return the label of each of these tokens that still exists."""
    query = sa.select(TOKEN.c.id, TOKEN.c.label).where(TOKEN.c.id.in_(token_ids))
    return {str(token_id): label for token_id, label in await connection.execute(query)}


async def _jobs(connection: Connection, token_ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the jobs of each of these tokens with their owners."""
    query = sa.select(TOKEN_JOB.c.token_id, TOKEN_JOB.c.job_id, TOKEN_JOB.c.owner_id)
    query = query.where(TOKEN_JOB.c.token_id.in_(token_ids)).order_by(TOKEN_JOB.c.job_id)
    found: dict[str, dict[str, str]] = {token_id: {} for token_id in token_ids}
    for token_id, job_id, owner_id in await connection.execute(query):
        found[token_id][job_id] = owner_id
    return found
