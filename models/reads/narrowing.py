"""Filters that can leave few jobs of many: these are found by the index of the filter and then sorted.

Otherwise a list reads all jobs in its order until a page is full, which is short when many of them match.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from itertools import product
from typing import Any, Literal

import sqlalchemy as sa

from models.db.statements import Kind, among, between, named, unplanned
from models.db.tables import JOB
from models.domain.lifecycle import JobStatus
from models.reads.shapes import EXTERNAL_PROVIDER, Scope

# Of the statements within statements.
JOB_ = JOB.alias("found")

# So many titles of a Postgres are looked at; more than a twentieth of all are not few.
SAMPLE, FEW_OF_SAMPLE_FACTOR = 500, 8
# The length of the parts by which titles are indexed.
INDEXED_CHARACTERS = 3
# In every collation, all statuses are between these.
_LEAST: sa.ColumnElement[str] = sa.literal_column("''")
_MOST: sa.ColumnElement[str] = sa.literal_column("'zzzz'")
_WILDCARD = re.compile(r"[*?\[]")

JOB_TITLE = sa.table(
    "jobtitle", sa.column("number", sa.Integer()), sa.column("job_id", sa.Text()), sa.column("folded", sa.Text())
)
JOB_SEARCH = sa.table("jobsearch", sa.column("rowid", sa.Integer()), sa.column("folded", sa.Text()))


class Narrowing(StrEnum):
    """A filter that can leave few jobs."""

    STATUS = "STATUS"
    OWNED_STATUS = "OWNED_STATUS"
    """Statuses of the jobs of one owner."""
    SINCE = "SINCE"
    TITLE = "TITLE"
    WORKER = "WORKER"
    """Not a filter but the scope of a worker, with the statuses if they are given."""
    TOKEN = "TOKEN"  # noqa: S105 # a kind of scope
    """Not a filter but the jobs that an access token names, which are few."""


def owner_of(scope: Scope, *, owner: bool) -> str | None:
    """Return the name of the parameter that has the owner of all jobs of a list; None if they may have several."""
    return "viewer" if scope is Scope.OWN else "owner" if owner else None


def last_changes(kind: Kind, scope: Scope, *, owner: bool) -> sa.Select[Any]:
    """Select the instant after which at most `few` jobs (a parameter) changed: of the owner, if there is one, otherwise
    of all owners, whatever the viewer may read. No row if there are at most `few` jobs."""
    changed = sa.select(JOB.c.updated_at)
    of = owner_of(scope, owner=owner)
    if of is not None:
        changed = changed.where(JOB.c.owner_id == unplanned(kind, named(of, JOB.c.owner_id.type)))
    passed = named("few", sa.Integer())
    return changed.order_by(JOB.c.updated_at.desc()).limit(sa.literal_column("1")).offset(passed)


def is_one_of_few(column: sa.ColumnElement[str], value: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a column has a value, of which Postgres supposes that few rows have it."""
    return (column == unplanned("postgresql", value)) & between(column, value, value)


def has_named(status: sa.ColumnElement[Any], statuses: Sequence[JobStatus]) -> sa.ColumnElement[bool]:
    """Return the condition that a job has one of these statuses, of which Postgres supposes that few jobs have them."""
    return between(status, _LEAST, _MOST) & status.in_([_text(each) for each in statuses])


def by_title(kind: Kind, patterns: int) -> sa.CompoundSelect[str]:
    """Select the ids of jobs whose titles may contain one of the patterns, and of those whose title is not folded yet.

    Parameters: `glob_0`, … on SQLite, `text_0_pattern`, … and `part_0`, … on Postgres.
    """
    if kind == "sqlite":
        # Not by a join: SQLite would begin with all titles.
        each = [
            sa.select(JOB_TITLE.c.job_id).where(JOB_TITLE.c.number.in_(_numbers(number))) for number in range(patterns)
        ]
    else:
        each = [_containing(kind, number) for number in range(patterns)]
    return sa.union_all(*each, sa.select(JOB_.c.id).where(JOB_.c.title_folded.is_(None)))


def of_owner(
    kind: Kind, statuses: Literal["one", "many"], of: str, named_statuses: Sequence[JobStatus] | None
) -> sa.Select[str] | sa.CompoundSelect[str]:
    """Select the ids of the jobs with the statuses, whose owner is the parameter `of`.

    By their ids alone, or both databases would read all jobs of the owner in an index that has the other columns of a
    list too.
    """
    owner_id, value = JOB_.c.owner_id, named(of, sa.Text())
    if kind == "postgresql":
        selects = _each([is_one_of_few(owner_id, value)], named_statuses)
        # One SELECT of the same table without an offset would become a part of the list.
        return sa.union_all(*selects) if len(selects) > 1 else selects[0].offset(sa.literal_column("0"))
    among_these = among(kind, JOB_.c.status, "statuses", one=statuses == "one")
    return sa.select(JOB_.c.id).where(owner_id == value, among_these)


def of_worker(
    kind: Kind,
    statuses: Literal["one", "many"] | None,
    named_statuses: Sequence[JobStatus] | None,
    *,
    owner: bool,
) -> sa.CompoundSelect[str]:
    """Select the ids of the jobs that a worker sees, each half by an index; with the statuses if they are given, and of
    the parameter `owner` if there is one."""
    viewer, of = named("viewer", sa.Text()), named("owner", sa.Text())
    reported = (JOB_.c.provider == EXTERNAL_PROVIDER) & JOB_.c.deleted_at.is_(None)
    if kind == "postgresql":
        own = is_one_of_few(JOB_.c.owner_id, of if owner else viewer)
        if owner:
            own, reported = own & (unplanned(kind, of) == unplanned(kind, viewer)), own & reported
        elif named_statuses is not None:
            reported &= between(JOB_.c.status, _LEAST, _MOST)
        return sa.union_all(*_each([own, reported], named_statuses))
    own = JOB_.c.owner_id == viewer
    if owner:
        of_owner = JOB_.c.owner_id == of
        own, reported = of_owner & (of == viewer), of_owner & reported
    halves = [sa.select(JOB_.c.id).where(half) for half in (own, reported)]
    if statuses is not None:
        among_these = among(kind, JOB_.c.status, "statuses", one=statuses == "one")
        halves = [half.where(among_these) for half in halves]
    return sa.union_all(*halves)


def _each(conditions: Sequence[sa.ColumnElement[bool]], statuses: Sequence[JobStatus] | None) -> list[sa.Select[str]]:
    """Return a SELECT of ids for each condition and status: an index is then searched for one value of each column."""
    selects = [sa.select(JOB_.c.id).where(condition) for condition in conditions]
    if statuses is None:
        return selects
    found = [select.where(JOB_.c.status == _text(each)) for select, each in product(selects, statuses)]
    return found or [sa.select(JOB_.c.id).where(sa.false())]


def _text(status: JobStatus) -> sa.ColumnElement[str]:
    return sa.literal_column(f"'{status}'")


def titles(kind: Kind, patterns: int) -> sa.Select[int]:
    """Select how many titles `by_title` finds, with its parameters: on SQLite up to the parameter `few` and one more;
    on Postgres an estimate, because its index finds all of them before it returns one."""
    if kind == "sqlite":
        found = sa.union_all(*(_numbers(number) for number in range(patterns)))
        return sa.select(sa.func.count()).select_from(found.limit(named("few", sa.Integer()) + 1).subquery())
    some = sa.select(JOB_TITLE.c.folded).limit(SAMPLE).subquery()
    each = (named(f"text_{number}_pattern", sa.Text()) for number in range(patterns))
    contain = sa.or_(*(some.c.folded.like(pattern, escape="/") for pattern in each))
    return sa.select(sa.func.count() * FEW_OF_SAMPLE_FACTOR).select_from(some).where(contain)


def _numbers(number: int) -> sa.Select[int]:
    """Select the titles that contain a pattern, on SQLite."""
    return sa.select(JOB_SEARCH.c.rowid).where(JOB_SEARCH.c.folded.op("GLOB")(named(f"glob_{number}", sa.Text())))


def _containing(kind: Kind, number: int) -> sa.Select[str]:
    """Select the jobs whose titles contain a pattern, on Postgres."""
    part, pattern = (unplanned(kind, named(name, sa.Text())) for name in (f"part_{number}", f"text_{number}_pattern"))
    may_contain = sa.func.job_title_trigrams(JOB_TITLE.c.folded).op("@>")(sa.func.job_title_trigrams(part))
    return sa.select(JOB_TITLE.c.job_id).where(may_contain, JOB_TITLE.c.folded.like(pattern, escape="/"))


def is_indexed(patterns: list[str]) -> bool:
    """Return whether titles that contain one of these texts can be found by an index."""
    return all(len(pattern) >= INDEXED_CHARACTERS for pattern in patterns)


def globbed(text: str) -> str:
    """Return a pattern of GLOB that finds a text, and others that are as long where the pattern has question marks.

    FTS5 searches for what is between the wildcards, and takes three bytes for three characters: a shorter part of
    three bytes finds nothing, and SQLite 3.40 crashes when a longer part follows it. No such part is left here.
    """
    parts = _WILDCARD.split(text)
    return "*" + "?".join(part if len(part) >= INDEXED_CHARACTERS else "?" * len(part) for part in parts) + "*"
