"""Filters that leave few jobs of many: these are found by the index of the filter and then sorted.

Otherwise a list reads all jobs in its order until a page is full, which is short when many of them match. SQLite has no
statistics to choose by, so the caller counts the matches of a filter up to FEW. Postgres has some, but none of parts of
titles.
"""

import re
from enum import StrEnum
from typing import Any, Literal

import sqlalchemy as sa

from models.db.statements import Kind, among, named, unplanned
from models.db.tables import JOB
from models.reads.shapes import EXTERNAL_PROVIDER, Scope, external, within

# Of the statements within statements.
JOB_ = JOB.alias("found")

# Sorting so many rows takes about as long as passing over the entries of 10,000 jobs in an index.
FEW = 200
# So many titles of a Postgres are looked at; more than a twentieth of all are not few.
SAMPLE, FEW_OF_SAMPLE_FACTOR = 500, 8
# The length of the parts by which titles are indexed.
INDEXED_CHARACTERS = 3
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


def changed_since(kind: Kind, scope: Scope, *, owner: bool) -> sa.Select[Any]:
    """Select the jobs of a scope that changed since the parameter `since`, of the parameter `owner` if there is one."""
    conditions = [
        within(scope, is_external=external(kind)),
        JOB.c.updated_at >= named("since", JOB.c.updated_at.type),
    ]
    if owner:
        conditions.append(JOB.c.owner_id == named("owner", JOB.c.owner_id.type))
    return sa.select(sa.true()).select_from(JOB).where(*conditions)


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


def of_owner(statuses: Literal["one", "many"], *, owner: bool) -> sa.Select[str]:
    """Select the ids of the jobs with the statuses, of the parameter `owner` or else of the viewer, on SQLite.

    By their ids alone, or SQLite would read all jobs of the owner in an index that has the other columns of a list too.
    """
    of = named("owner" if owner else "viewer", sa.Text())
    among_these = among("sqlite", JOB_.c.status, "statuses", one=statuses == "one")
    return sa.select(JOB_.c.id).where(JOB_.c.owner_id == of, among_these)


def of_worker(kind: Kind, statuses: Literal["one", "many"] | None, *, owner: bool) -> sa.CompoundSelect[str]:
    """Select the ids of the jobs that a worker sees, each half by an index; with the statuses if they are given, and of
    the parameter `owner` if there is one."""
    viewer, of = (unplanned(kind, named(name, sa.Text())) for name in ("viewer", "owner"))
    own = JOB_.c.owner_id == viewer
    reported = (JOB_.c.provider == EXTERNAL_PROVIDER) & JOB_.c.deleted_at.is_(None)
    if owner:
        of_owner = JOB_.c.owner_id == of
        own, reported = of_owner & (of == viewer), of_owner & reported
    halves = [sa.select(JOB_.c.id).where(half) for half in (own, reported)]
    if statuses is not None:
        among_these = among(kind, JOB_.c.status, "statuses", one=statuses == "one", planned=False)
        halves = [half.where(among_these) for half in halves]
    return sa.union_all(*halves)


def titles(kind: Kind, patterns: int) -> sa.Select[int]:
    """Select how many titles `by_title` finds, with its parameters: up to FEW and one more on SQLite, on Postgres an
    estimate, because its index finds all of them before it returns one."""
    if kind == "sqlite":
        found = sa.union_all(*(_numbers(number) for number in range(patterns)))
        return sa.select(sa.func.count()).select_from(found.limit(FEW + 1).subquery())
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
