"""Access tokens: what a tool with sessions of its own hands to its browsers and workers."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa

from models.db import clock
from models.db.database import Connection
from models.db.rows import JobRow
from models.db.token_tables import TOKEN, TOKEN_JOB
from models.domain import ids
from models.domain.access import Grant, Viewer, owns
from models.domain.errors import DomainError, ErrorCode, Forbidden, Invalid, NotFound, no_such_job
from models.domain.ids import is_id
from models.domain.rules import Problems
from models.reads import queries, revocations, tokens
from models.writes.store import Store

SECRET_PREFIX: Final = "scenewire_"  # noqa: S105 # what every secret begins with
_SECRET_BYTES = 32

LEAST_SECONDS, MOST_SECONDS = 60, 86_400
JOBS_PER_TOKEN = 100
TOKENS_PER_OWNER = 1_000
LABEL_CHARACTERS = 100

REVOCATION_DELAY: Final = timedelta(seconds=10)
"""The longest time for which a request or socket of a revoked subject goes on. A token that is made within it is
revoked as well: one of these may have made it."""

KEPT: Final = timedelta(days=30)
"""How long a token is listed after it has expired."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to be made; `job_ids` None stands for all jobs of its owner, those made later included."""

    job_ids: Sequence[str] | None
    grants: Sequence[Grant]
    expires_in_seconds: int
    label: str | None = None


class IssuedToken(NamedTuple):
    """The id of a new token and its secret, which is returned only once."""

    token_id: str
    secret: str


class Tokens:
    """Commands on access tokens. One that raises DomainError or DomainErrors changed nothing."""

    def __init__(self, store: Store, on_revoked: Callable[[str], None]) -> None:
        """`on_revoked` is called with the id of each token whose revocation is committed."""
        self._store = store
        self._on_revoked = on_revoked

    async def create(self, viewer: Viewer, new: NewToken) -> IssuedToken:
        """Make a token. Raises NotFound for a job that the viewer may not see, Forbidden for one that it does not own,
        or whose tokens were revoked a moment ago, and Invalid (LIMIT_EXCEEDED) when it has too many that are valid."""
        check(new)
        async with self._store.write() as connection:
            return await insert(connection, viewer, new)

    async def revoke(self, viewer: Viewer, token_id: str) -> None:
        """Revoke a token, also one that has expired or is revoked: its requests and streams end. Raises NotFound."""
        async with self._store.write() as connection:
            if not await revoke(connection, viewer, token_id):
                raise NotFound("There is no such token.", ("input", "tokenId"), token_id)
        self._on_revoked(token_id)


def check(new: NewToken) -> None:
    """Raise DomainErrors for what is wrong with a token by itself."""
    problems = Problems()
    _check_jobs(problems, new)
    grants = ("input", "grants")
    if not new.grants:
        problems.add("grants is empty.", grants)
    _check_distinct(problems, new.grants, grants)
    if not LEAST_SECONDS <= new.expires_in_seconds <= MOST_SECONDS:
        message = f"expiresInSeconds must be from {LEAST_SECONDS} to {MOST_SECONDS} seconds."
        problems.add(message, ("input", "expiresInSeconds"))
    if new.label is not None:
        problems.text(new.label, ("input", "label"), max_characters=LABEL_CHARACTERS)
    problems.check()


def _check_jobs(problems: Problems, new: NewToken) -> None:
    path = ("input", "jobIds")
    if new.job_ids is None:
        return
    if Grant.WORK in new.grants:
        problems.add("A token with the grant WORK cannot name jobs: workers lease takes of any job.", path)
    if not new.job_ids:
        problems.add("jobIds is empty; omit it for all jobs.", path)
    if len(new.job_ids) > JOBS_PER_TOKEN:
        problems.add(f"A token names at most {JOBS_PER_TOKEN} jobs.", path, ErrorCode.LIMIT_EXCEEDED)
    else:
        _check_distinct(problems, new.job_ids, path)


def _check_distinct(problems: Problems, values: Sequence[str], path: tuple[str, ...]) -> None:
    seen = set[str]()
    for index, value in enumerate(values):
        if value in seen:
            problems.add(f"{path[-1]} has the same value twice.", (*path, str(index)))
        seen.add(value)


async def insert(connection: Connection, viewer: Viewer, new: NewToken) -> IssuedToken:
    """Write a checked token of this viewer, in the transaction of `connection`. Raises as `Tokens.create`."""
    owners = None if new.job_ids is None else await _owners(connection, viewer, new.job_ids)
    instant = await clock.current(connection)
    await _check_revoked(connection, viewer, instant)
    if await tokens.count_of_owner(connection, viewer.id, instant) >= TOKENS_PER_OWNER:
        message = f"You have {TOKENS_PER_OWNER} valid tokens already; revoke one first."
        raise Invalid(message, ("input",), ErrorCode.LIMIT_EXCEEDED)
    issued = IssuedToken(ids.new("token"), SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES))
    # To change a job is also to read it.
    grants = {*new.grants, Grant.READ} if Grant.EDIT in new.grants else set(new.grants)
    await connection.execute(
        sa.insert(TOKEN).values(
            id=issued.token_id,
            token_hash=hash_of(issued.secret),
            owner_id=viewer.id,
            owner_name=viewer.name,
            label=new.label,
            grants=[grant.value for grant in Grant if grant in grants],
            all_jobs=owners is None,
            serves_all=viewer.leases_for_all and Grant.WORK in grants,
            created_at=instant,
            expires_at=instant + timedelta(seconds=new.expires_in_seconds),
        )
    )
    if owners is not None:
        rows = [{"token_id": issued.token_id, "job_id": job, "owner_id": owner} for job, owner in owners.items()]
        await connection.execute(sa.insert(TOKEN_JOB), rows)
    return issued


async def _check_revoked(connection: Connection, viewer: Viewer, instant: datetime) -> None:
    """Raise Forbidden while a token would count as made before the last revocation of its owner."""
    revoked_at = (await revocations.of_subjects(connection, [viewer.id])).get(viewer.id)
    if revoked_at is not None and instant < revoked_at + REVOCATION_DELAY:
        seconds = REVOCATION_DELAY.total_seconds()
        raise Forbidden(f"All tokens of this user were revoked less than {seconds:g} seconds ago.", ("input",))


async def _owners(connection: Connection, viewer: Viewer, job_ids: Sequence[str]) -> dict[str, str]:
    """Return the owner of each of these jobs. Raises the refusal of the first that the viewer cannot hand on."""
    found = await queries.jobs_by_id(connection, viewer, job_ids)
    for index, job_id in enumerate(job_ids):
        if (refusal := _refusal(viewer, found.get(job_id), job_id, ("input", "jobIds", str(index)))) is not None:
            raise refusal
    return {job_id: found[job_id].owner_id for job_id in job_ids}


def _refusal(viewer: Viewer, job: JobRow | None, job_id: str, path: Sequence[str]) -> DomainError | None:
    if job is None:
        return no_such_job(path, job_id)
    if not owns(viewer, job.owner_id):
        return Forbidden("A worker cannot make a token for a job of another owner.", path)
    return None


async def revoke(connection: Connection, viewer: Viewer, token_id: str) -> bool:
    """Revoke a token that the viewer sees, in the transaction of `connection`; return whether there is one."""
    if not is_id(token_id, "token"):
        return False
    instant = await clock.current(connection)
    at = sa.func.coalesce(TOKEN.c.revoked_at, sa.literal(instant, TOKEN.c.revoked_at.type))
    update = sa.update(TOKEN).where(TOKEN.c.id == token_id, tokens.visible(viewer)).values(revoked_at=at)
    return (await connection.execute(update)).rowcount > 0


def hash_of(secret: str) -> str:
    """Return what is stored of a secret. It has 256 random bits, so that nothing slower is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def note_used(connection: Connection, token_ids: Sequence[str], interval: timedelta) -> None:
    """Write that these tokens are used now, unless that was written within the interval."""
    instant: datetime = await clock.current(connection)
    due = TOKEN.c.last_used_at.is_(None) | (TOKEN.c.last_used_at <= instant - interval)
    # Another process may write the same rows: locks in one order cannot deadlock.
    locked = sa.select(TOKEN.c.id).where(TOKEN.c.id.in_(token_ids), due).order_by(TOKEN.c.id).with_for_update()
    found = list((await connection.execute(locked)).scalars())
    if found:
        await connection.execute(sa.update(TOKEN).where(TOKEN.c.id.in_(found)).values(last_used_at=instant))


async def prune(store: Store) -> int:
    """Delete the tokens that expired before the time for which they are kept; return their number."""
    async with store.maintenance() as connection:
        oldest = await clock.current(connection) - KEPT
        return (await connection.execute(sa.delete(TOKEN).where(TOKEN.c.expires_at < oldest))).rowcount
