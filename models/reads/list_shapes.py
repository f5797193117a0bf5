"""The compiled SELECTs of lists: one for each shape, as in `shapes`."""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from models.db.rows import JobRow
from models.db.statements import SHAPES, Kind, Statement, among, between, hidden, named, unplanned, without_index
from models.db.tables import JOB
from models.domain.lifecycle import JobStatus
from models.reads import job_counts, narrowing
from models.reads.bounds import Bound, Side, bounds, limited
from models.reads.narrowing import Narrowing
from models.reads.shapes import (
    JOB_SOURCES,
    Columns,
    Condition,
    Scope,
    external,
    jobs_of_token,
    selected,
    within,
)

ESCAPE = "/"
_INFINITY: sa.ColumnElement[Any] = sa.literal_column("'infinity'::timestamptz")


class JobOrderField(StrEnum):
    """The columns by which a list of jobs can be ordered."""

    CREATED_AT = "CREATED_AT"
    UPDATED_AT = "UPDATED_AT"
    TITLE = "TITLE"


_ORDER_COLUMNS = {
    JobOrderField.CREATED_AT: JOB.c.created_at,
    JobOrderField.UPDATED_AT: JOB.c.updated_at,
    JobOrderField.TITLE: JOB.c.title,
}


class JobListShape(NamedTuple):
    """What differs in the text of a list of jobs.

    Parameters: `viewer`, `limit`, `after_value`, `after_id`, `before_value`, `before_id`, `statuses`, `owner`, `since`,
    `lowered`, `text_0`, … and their patterns, and those of `narrowing`. `narrowed` names the filter whose index finds
    the jobs; without it, all jobs are read in the order of the list.
    """

    scope: Scope
    order: JobOrderField
    descending: bool
    backward: bool
    limited: bool
    after: bool
    before: bool
    statuses: Literal["one", "many"] | None
    owner: bool
    since: bool
    include_deleted: bool
    patterns: int
    narrowed: Narrowing | None = None
    rows: int = 0
    """The limit, or more, where it is not a parameter."""
    named_statuses: tuple[JobStatus, ...] | None = None
    """The statuses, where they are no parameter, so that Postgres searches for each of them."""


@lru_cache(SHAPES)
def jobs(kind: Kind, shape: JobListShape, *, columns: Columns) -> Statement:
    """One page of jobs, with one job more than the limit."""
    # In front: Postgres begins an index with the first of two bounds; the instant of the last change can set another.
    inside = [bound.inside for bound in _job_bounds(kind, shape).values()]
    select = sa.select(*selected(JOB_SOURCES, columns)).where(*inside, *_job_conditions(kind, shape))
    select = select.order_by(*_ordering(kind, shape, descending=shape.descending != shape.backward))
    if shape.rows:
        return Statement(kind, select.limit(sa.literal_column(str(shape.rows))))
    return Statement(kind, limited(kind, select, limited=shape.limited))


@lru_cache(SHAPES)
def jobs_beyond(kind: Kind, shape: JobListShape) -> Statement:
    """Whether jobs are outside the cursors of a page: at or in front of `after`, at or behind `before`.

    The one next to the cursor, if there is one: to find any, Postgres looks at all jobs, from the oldest.
    """
    matching = _job_conditions(kind, shape)
    found: list[Condition] = []
    for side, bound in _job_bounds(kind, shape).items():
        next_first = _ordering(kind, shape, descending=shape.descending != (side == "after"))
        some = sa.select(sa.true()).select_from(JOB).where(bound.outside, *matching).order_by(*next_first)
        found.append(some.limit(sa.literal_column("1")).scalar_subquery().is_not(None))
    return Statement(kind, sa.select(*found))


def _ordering(kind: Kind, shape: JobListShape, *, descending: bool) -> list[sa.ColumnElement[Any]]:
    ordering: list[sa.ColumnElement[Any]] = [_ORDER_COLUMNS[shape.order], JOB.c.id]
    if shape.narrowed is not None:
        # Few rows are sorted.
        ordering = [_aside(kind, ordering[0]), without_index(kind, ordering[1])]
    return [each.desc() for each in ordering] if descending else ordering


@lru_cache(SHAPES)
def jobs_count(kind: Kind, shape: JobListShape) -> Statement:
    """The number of jobs on all pages."""
    return Statement(kind, sa.select(sa.func.count()).select_from(JOB).where(*_job_conditions(kind, shape)))


@lru_cache(SHAPES)
def kept_count(kind: Kind, shape: JobListShape) -> Statement:
    """The number of jobs on all pages of a list that is filtered by nothing but owners and statuses, from kept sums."""
    return Statement(
        kind, job_counts.total(kind, shape.scope, shape.statuses, owner=shape.owner, live=not shape.include_deleted)
    )


@lru_cache(SHAPES)
def few(kind: Kind, shape: JobListShape, filtered_by: Narrowing) -> Statement:
    """The number of jobs that the index of one filter leaves, or what says whether they are few."""
    if filtered_by is Narrowing.TITLE:
        return Statement(kind, narrowing.titles(kind, shape.patterns))
    if filtered_by is Narrowing.SINCE:
        return Statement(kind, narrowing.last_changes(kind, shape.scope, owner=shape.owner))
    return kept_count(kind, shape._replace(include_deleted=True))


@lru_cache(SHAPES)
def matching(kind: Kind, shape: JobListShape, *, one: bool) -> Statement:
    """Of the jobs `ids`, those that match, ordered by their last change."""
    select = sa.select(*selected(JOB_SOURCES, JobRow._fields))
    select = select.where(among(kind, JOB.c.id, "ids", one=one), *_job_conditions(kind, shape))
    return Statement(kind, select.order_by(JOB.c.updated_at, JOB.c.id))


def _job_conditions(kind: Kind, shape: JobListShape) -> list[Condition]:
    """Return the conditions of a list: the jobs are found by the index of the narrowing filter, or of the order."""

    def value(name: str, of: sa.types.TypeEngine[Any]) -> sa.ColumnElement[Any]:
        return unplanned(kind, named(name, of))

    by, found = shape.narrowed, _found(kind, shape)
    status, updated_at, owner_id, deleted_at = JOB.c.status, JOB.c.updated_at, JOB.c.owner_id, JOB.c.deleted_at
    if by is not Narrowing.STATUS:
        status = without_index(kind, status)
    if by is not Narrowing.SINCE and shape.order is not JobOrderField.UPDATED_AT:
        updated_at = without_index(kind, updated_at)
    conditions: list[Condition] = []
    if found is not None:
        conditions.append(JOB.c.id.in_(found))
        owner_id = _aside(kind, owner_id)
    if kind == "postgresql":
        conditions += _hints(shape, found)
        if by is not None:
            deleted_at = hidden(deleted_at)
        if by is not None and by is not Narrowing.STATUS:
            status = hidden(status)
        if found is not None:
            updated_at = hidden(updated_at)
        elif by is not None and shape.scope is Scope.WORKER:
            owner_id = hidden(owner_id)
    viewer = value("viewer", JOB.c.owner_id.type)
    conditions.append(within(shape.scope, viewer, owner_id=owner_id, is_external=external(kind)))
    if not shape.include_deleted:
        conditions.append(deleted_at.is_(None))
    if by is Narrowing.STATUS and shape.named_statuses is not None:
        conditions.append(narrowing.has_named(status, shape.named_statuses))
    elif shape.statuses is not None:
        conditions.append(among(kind, status, "statuses", one=shape.statuses == "one", planned=False))
    if shape.owner:
        conditions.append(owner_id == value("owner", JOB.c.owner_id.type))
    if shape.since:
        conditions.append(updated_at >= value("since", JOB.c.updated_at.type))
    if shape.patterns:
        conditions.append(_title_contains(kind, value, shape.patterns))
    return conditions


def _hints(shape: JobListShape, found: sa.SelectBase | None) -> list[Condition]:
    """Return conditions that follow from the others of a list, and make Postgres use the index that is meant.

    It takes another index, or sorts, where that seems about as short. So what the index begins with seems rare.
    """
    hints: list[Condition] = []
    of_owner = narrowing.owner_of(shape.scope, owner=shape.owner)
    if of_owner is not None and found is None:
        owner = named(of_owner, JOB.c.owner_id.type)
        hints.append(between(JOB.c.owner_id, owner, owner))
    # In the order of the last change, the given instant ends the list.
    is_end = shape.since and shape.order is JobOrderField.UPDATED_AT and shape.narrowed is None
    if (is_end and of_owner is not None) or shape.narrowed is Narrowing.SINCE:
        hints.append(between(JOB.c.updated_at, named("since", JOB.c.updated_at.type), _INFINITY))
    return hints


def _aside(kind: Kind, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return a column that is looked up in no index."""
    return without_index(kind, column) if kind == "sqlite" else hidden(column)


def _found(kind: Kind, shape: JobListShape) -> sa.SelectBase | None:
    """Select the ids of the jobs that the narrowing leaves; None where a condition on the jobs finds them."""
    match shape.narrowed:
        case Narrowing.TITLE:
            return narrowing.by_title(kind, shape.patterns)
        case Narrowing.WORKER:
            return narrowing.of_worker(kind, shape.statuses, shape.named_statuses, owner=shape.owner)
        case Narrowing.OWNED_STATUS if shape.statuses is not None:
            of = narrowing.owner_of(shape.scope, owner=shape.owner)
            return None if of is None else narrowing.of_owner(kind, shape.statuses, of, shape.named_statuses)
        case Narrowing.TOKEN:
            return jobs_of_token(named("viewer", sa.Text()))
        case _:
            return None


def _title_contains(
    kind: Kind, value: Callable[[str, sa.types.TypeEngine[Any]], sa.ColumnElement[Any]], patterns: int
) -> Condition:
    """Return the condition that a title contains the text, in any case."""

    def contains(title: sa.ColumnElement[Any], name: str) -> Condition:
        if kind == "postgresql":
            # It plans by the pattern of LIKE, each time again.
            return sa.func.strpos(title, value(name, sa.Text())) > sa.literal_column("0")
        return title.like(value(f"{name}_pattern", sa.Text()), escape=ESCAPE)

    folded = [contains(JOB.c.title_folded, f"text_{number}") for number in range(patterns)]
    # A title that an older process wrote is folded within the hour.
    simple = contains(sa.func.lower(JOB.c.title), "lowered")
    return sa.or_(*folded, JOB.c.title_folded.is_(None) & simple)


def _job_bounds(kind: Kind, shape: JobListShape) -> dict[Side, Bound]:
    column = _ORDER_COLUMNS[shape.order]
    kinds = (column.type, JOB.c.id.type)
    return bounds(kind, shape, sa.tuple_(column, JOB.c.id), ("value", "id"), kinds, descending=shape.descending)
