"""The compiled SELECTs of lists: one for each shape, as in `shapes`."""

from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from models.db.rows import JobRow
from models.db.statements import SHAPES, Kind, Statement, among, hidden, named, unplanned, without_index
from models.db.tables import JOB, SCENE
from models.reads import job_counts, narrowing
from models.reads.narrowing import FEW, Narrowing
from models.reads.shapes import (
    JOB_SOURCES,
    SCENE_SOURCES,
    Columns,
    Condition,
    Scope,
    external,
    jobs_of_token,
    scenes_with,
    selected,
    within,
)

Side = Literal["after", "before"]
ESCAPE = "/"


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
    """The limit, where it is not a parameter."""
    common: bool = False
    """Whether so many jobs have the statuses that a page in order passes over few others."""


class SceneListShape(NamedTuple):
    """What differs in the text of the lists of scenes of jobs.

    Parameters: `ids` of the jobs, `limit`, `after_position`, `after_id`, `before_position`, `before_id`, `statuses`.
    """

    one: bool
    backward: bool
    limited: bool
    after: bool
    before: bool
    statuses: Literal["one", "many"] | None
    include_deleted: bool


class _Bound(NamedTuple):
    """The conditions that a row is on the inner side of a cursor, and that it is not."""

    inside: Condition
    outside: Condition


@lru_cache(SHAPES)
def jobs(kind: Kind, shape: JobListShape, *, columns: Columns) -> Statement:
    """One page of jobs, with one job more than the limit."""
    ordering: list[sa.ColumnElement[Any]] = [_ORDER_COLUMNS[shape.order], JOB.c.id]
    if shape.narrowed is not None:
        # Few rows are sorted.
        ordering = [without_index(kind, each) for each in ordering]
    if _is_by_status_of_postgres(kind, shape):
        ordering[0] = hidden(ordering[0])
    if shape.descending != shape.backward:
        ordering = [each.desc() for each in ordering]
    inside = [bound.inside for bound in _job_bounds(shape).values()]
    select = sa.select(*selected(JOB_SOURCES, columns)).where(*_job_conditions(kind, shape), *inside)
    select = select.order_by(*ordering)
    if shape.rows:
        return Statement(kind, select.limit(sa.literal_column(str(shape.rows))))
    return Statement(kind, _limited(select, limited=shape.limited))


@lru_cache(SHAPES)
def jobs_beyond(kind: Kind, shape: JobListShape) -> Statement:
    """Whether jobs are outside the cursors of a page: at or in front of `after`, at or behind `before`."""
    matching = _job_conditions(kind, shape)
    exist = [sa.exists().where(*matching, bound.outside).label(side) for side, bound in _job_bounds(shape).items()]
    return Statement(kind, sa.select(*exist))


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
    """The number of jobs that the index of one filter leaves, some of them counted up to FEW and one more."""
    if filtered_by in (Narrowing.STATUS, Narrowing.OWNED_STATUS, Narrowing.WORKER):
        return kept_count(kind, shape._replace(include_deleted=True))
    if filtered_by is Narrowing.TITLE:
        return Statement(kind, narrowing.titles(kind, shape.patterns))
    found = narrowing.changed_since(kind, shape.scope, owner=shape.owner)
    return Statement(kind, sa.select(sa.func.count()).select_from(found.limit(FEW + 1).subquery()))


@lru_cache(SHAPES)
def matching(kind: Kind, shape: JobListShape, *, one: bool) -> Statement:
    """Of the jobs `ids`, those that match, ordered by their last change."""
    select = sa.select(*selected(JOB_SOURCES, JobRow._fields))
    select = select.where(among(kind, JOB.c.id, "ids", one=one), *_job_conditions(kind, shape))
    return Statement(kind, select.order_by(JOB.c.updated_at, JOB.c.id))


@lru_cache(SHAPES)
def scenes(kind: Kind, shape: SceneListShape, *, columns: Columns) -> Statement:
    """One page of the scenes of each job, with one scene more than the limit; without a limit, in no order."""
    order = [SCENE.c.position, SCENE.c.id]
    if shape.backward:
        order = [each.desc() for each in order]
    inside = [bound.inside for bound in _scene_bounds(shape).values()]
    conditions = [*_scene_conditions(kind, shape), *inside]
    select, joined = sa.select(*selected(SCENE_SOURCES, columns)), scenes_with(columns)
    if not shape.limited:
        return Statement(kind, select.select_from(joined).where(*conditions))
    if shape.one:
        return Statement(kind, _limited(select.select_from(joined).where(*conditions).order_by(*order), limited=True))
    rank = sa.func.row_number().over(partition_by=SCENE.c.job_id, order_by=order).label("rank")
    ranked = sa.select(SCENE.c.id, rank).where(*conditions).subquery()
    select = select.select_from(joined.join(ranked, ranked.c.id == SCENE.c.id))
    return Statement(kind, select.where(ranked.c.rank <= named("limit", sa.Integer())).order_by(*order))


@lru_cache(SHAPES)
def scenes_outside(kind: Kind, shape: SceneListShape, side: Side) -> Statement:
    """The jobs that have scenes outside one of the cursors."""
    outside = _scene_bounds(shape)[side].outside
    return Statement(kind, sa.select(SCENE.c.job_id).where(*_scene_conditions(kind, shape), outside).distinct())


@lru_cache(SHAPES)
def scenes_count(kind: Kind, shape: SceneListShape) -> Statement:
    """The number of scenes of each job on all pages."""
    select = sa.select(SCENE.c.job_id, sa.func.count()).where(*_scene_conditions(kind, shape))
    return Statement(kind, select.group_by(SCENE.c.job_id))


def _limited(select: sa.Select[*tuple[Any, ...]], *, limited: bool) -> sa.Select[*tuple[Any, ...]]:
    return select.limit(named("limit", sa.Integer())) if limited else select


def _job_conditions(kind: Kind, shape: JobListShape) -> list[Condition]:
    """Return the conditions of a list. SQLite finds the jobs by the index of the narrowing filter, or of the order."""
    by = shape.narrowed
    # The statistics of Postgres say which statuses are rare, so it is to choose by them.
    planned = by in (Narrowing.STATUS, Narrowing.OWNED_STATUS) or (by is None and not shape.common)

    def value(name: str, of: sa.types.TypeEngine[Any]) -> sa.ColumnElement[Any]:
        return named(name, of) if planned else unplanned(kind, named(name, of))

    status, updated_at, owner_id = JOB.c.status, JOB.c.updated_at, JOB.c.owner_id
    if by is not Narrowing.STATUS:
        status = without_index(kind, status)
    if by is not Narrowing.SINCE and shape.order is not JobOrderField.UPDATED_AT:
        updated_at = without_index(kind, updated_at)
    conditions: list[Condition] = []
    found = _found(kind, shape)
    if found is not None:
        owner_id = without_index(kind, owner_id)
        conditions.append(JOB.c.id.in_(found))
    viewer = value("viewer", JOB.c.owner_id.type)
    conditions.append(within(shape.scope, viewer, owner_id=owner_id, is_external=external(kind)))
    if not shape.include_deleted:
        deleted_at = hidden(JOB.c.deleted_at) if _is_by_status_of_postgres(kind, shape) else JOB.c.deleted_at
        conditions.append(deleted_at.is_(None))
    if shape.statuses is not None:
        conditions.append(among(kind, status, "statuses", one=shape.statuses == "one", planned=planned))
    if shape.owner:
        conditions.append(owner_id == value("owner", JOB.c.owner_id.type))
    if shape.since:
        since = named("since", JOB.c.updated_at.type)
        # In the order of the last change it ends the list, wherever that is.
        is_end = shape.order is JobOrderField.UPDATED_AT
        conditions.append(updated_at >= (unplanned(kind, since) if is_end or not planned else since))
    if shape.patterns:
        conditions.append(_title_contains(kind, value, shape.patterns))
    return conditions


def _is_by_status_of_postgres(kind: Kind, shape: JobListShape) -> bool:
    """Whether an index of statuses is to be used, and few rows sorted: Postgres takes the order of another index for
    about as short, and passes over all jobs in it."""
    return kind == "postgresql" and shape.narrowed in (Narrowing.STATUS, Narrowing.OWNED_STATUS)


def _found(kind: Kind, shape: JobListShape) -> sa.SelectBase | None:
    """Select the ids of the jobs that the narrowing leaves; None where a condition on the jobs finds them."""
    match shape.narrowed:
        case Narrowing.TITLE:
            return narrowing.by_title(kind, shape.patterns)
        case Narrowing.WORKER:
            return narrowing.of_worker(kind, shape.statuses, owner=shape.owner)
        case Narrowing.OWNED_STATUS if shape.statuses is not None and kind == "sqlite":
            return narrowing.of_owner(shape.statuses, owner=shape.owner)
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


def _job_bounds(shape: JobListShape) -> dict[Side, _Bound]:
    column = _ORDER_COLUMNS[shape.order]
    key, kinds = sa.tuple_(column, JOB.c.id), (column.type, JOB.c.id.type)
    return _bounds(shape.after, shape.before, key, ("value", "id"), kinds, descending=shape.descending)


def _scene_bounds(shape: SceneListShape) -> dict[Side, _Bound]:
    key, kinds = sa.tuple_(SCENE.c.position, SCENE.c.id), (sa.Integer(), SCENE.c.id.type)
    return _bounds(shape.after, shape.before, key, ("position", "id"), kinds, descending=False)


def _bounds(
    after: bool,
    before: bool,
    key: sa.Tuple,
    names: tuple[str, str],
    kinds: tuple[sa.types.TypeEngine[Any], sa.types.TypeEngine[Any]],
    *,
    descending: bool,
) -> dict[Side, _Bound]:
    """Return the bounds that the given cursors set to the key of a row, in the order of the list."""
    bounds: dict[Side, _Bound] = {}
    if after:
        start = _cursor("after", names, kinds)
        bounds["after"] = _Bound(key < start, key >= start) if descending else _Bound(key > start, key <= start)
    if before:
        end = _cursor("before", names, kinds)
        bounds["before"] = _Bound(key > end, key <= end) if descending else _Bound(key < end, key >= end)
    return bounds


def _cursor(
    side: Side, names: tuple[str, str], kinds: tuple[sa.types.TypeEngine[Any], sa.types.TypeEngine[Any]]
) -> sa.Tuple:
    return sa.tuple_(*(named(f"{side}_{name}", kind) for name, kind in zip(names, kinds, strict=True)))


def _scene_conditions(kind: Kind, shape: SceneListShape) -> list[Condition]:
    conditions = [among(kind, SCENE.c.job_id, "ids", one=shape.one)]
    if not shape.include_deleted:
        conditions.append(SCENE.c.deleted_at.is_(None))
    if shape.statuses is not None:
        # By the index of all statuses, the scenes of every job would be read.
        status = without_index(kind, SCENE.c.status)
        conditions.append(among(kind, status, "statuses", one=shape.statuses == "one"))
    return conditions
