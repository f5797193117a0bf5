"""Filtered, paginated lists: the jobs of a viewer, and the scenes of a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from models.db import rows
from models.db.database import Connection
from models.db.rows import JOB_COLUMNS, SCENE_SELECT, JobRow, SceneRow
from models.db.tables import JOB, SCENE
from models.domain.access import Viewer
from models.domain.folding import search_patterns
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.paging import Beyond, Page, Window, invalid_cursor, page
from models.reads.queries import Condition, visible

Key = sa.Tuple

# The name of the order in a cursor of scenes.
SCENE_ORDER = "POSITION"


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


@dataclass(frozen=True, slots=True)
class JobQuery:
    """The filter and the order of a list of jobs."""

    status: Sequence[JobStatus] | None = None
    search: str | None = None
    updated_since: datetime | None = None
    owner_id: str | None = None
    include_deleted: bool = False
    order: JobOrderField = JobOrderField.CREATED_AT
    descending: bool = True

    def key(self, job: JobRow) -> tuple[str, str, str]:
        """Return the key of a job in this order, for a cursor."""
        value: object = getattr(job, self.order.value.lower())
        return (self.order.value, value.isoformat() if isinstance(value, datetime) else str(value), job.id)


@dataclass(frozen=True, slots=True)
class SceneQuery:
    """The filter and the page of a list of scenes."""

    window: Window
    status: tuple[SceneStatus, ...] | None = None
    include_deleted: bool = False


async def jobs_page(connection: Connection, viewer: Viewer, query: JobQuery, window: Window) -> Page[JobRow]:
    """Return one page of the jobs that match the query."""
    column = _ORDER_COLUMNS[query.order]
    descending = query.descending != window.backward
    matching = _job_condition(viewer, query)
    key = sa.tuple_(column, JOB.c.id)
    bounds = _bounds(
        None if window.after is None else sa.tuple_(*_job_key("after", query.order, window.after)),
        None if window.before is None else sa.tuple_(*_job_key("before", query.order, window.before)),
        key,
        descending=query.descending,
    )
    select = sa.select(*JOB_COLUMNS).where(matching, *(bound.inside for bound in bounds.values()))
    ordering = [column.desc(), JOB.c.id.desc()] if descending else [column, JOB.c.id]
    select = select.order_by(*ordering).limit(None if window.limit is None else window.limit + 1)
    found = rows.all_rows(JobRow, await connection.execute(select))
    beyond: dict[str, bool] = {}
    if bounds:
        exist = [sa.exists().where(matching, bound.outside).label(name) for name, bound in bounds.items()]
        beyond = dict((await connection.execute(sa.select(*exist))).mappings().one())
    return page(found, window, Beyond(**beyond))


async def jobs_count(connection: Connection, viewer: Viewer, query: JobQuery) -> int:
    """Return the number of jobs that match the query."""
    select = sa.select(sa.func.count()).select_from(JOB).where(_job_condition(viewer, query))
    return (await connection.execute(select)).scalar_one()


async def matching(connection: Connection, viewer: Viewer, query: JobQuery, ids: Sequence[str]) -> list[JobRow]:
    """Return those of these jobs that match the query, ordered by their last change."""
    select = sa.select(*JOB_COLUMNS).where(JOB.c.id.in_(ids), _job_condition(viewer, query))
    return rows.all_rows(JobRow, await connection.execute(select.order_by(JOB.c.updated_at, JOB.c.id)))


def scene_key(scene: SceneRow) -> tuple[str, str, str]:
    """Return the key of a scene in the play order, for a cursor."""
    return (SCENE_ORDER, str(scene.position), scene.id)


async def scenes_of_jobs(
    connection: Connection, job_ids: Sequence[str], query: SceneQuery
) -> dict[str, Page[SceneRow]]:
    """Return one page of scenes of each of these jobs; the caller must have checked that the jobs are visible."""
    window = query.window
    order = [SCENE.c.position, SCENE.c.id]
    matching = [*_scene_conditions(query), SCENE.c.job_id.in_(job_ids)]
    bounds = _bounds(
        None if window.after is None else sa.tuple_(*_scene_key("after", window.after)),
        None if window.before is None else sa.tuple_(*_scene_key("before", window.before)),
        sa.tuple_(SCENE.c.position, SCENE.c.id),
    )
    conditions = [*matching, *(bound.inside for bound in bounds.values())]
    if window.backward:
        order = [column.desc() for column in order]
    select = SCENE_SELECT.where(*conditions)
    if window.limit is not None:
        rank = sa.func.row_number().over(partition_by=SCENE.c.job_id, order_by=order).label("rank")
        ranked = sa.select(SCENE.c.id, rank).where(*conditions).subquery()
        select = SCENE_SELECT.join(ranked, ranked.c.id == SCENE.c.id).where(ranked.c.rank <= window.limit + 1)
    found: dict[str, list[SceneRow]] = {job_id: [] for job_id in job_ids}
    for scene in await rows.all_rows_yielding(SceneRow, await connection.execute(select.order_by(*order))):
        found[scene.job_id].append(scene)
    beyond: dict[str, set[str]] = {}
    for name, bound in bounds.items():
        outside = sa.select(SCENE.c.job_id).where(*matching, bound.outside).distinct()
        beyond[name] = set((await connection.execute(outside)).scalars())
    return {
        job_id: page(scenes, window, Beyond(**{name: job_id in jobs for name, jobs in beyond.items()}))
        for job_id, scenes in found.items()
    }


async def scenes_count(connection: Connection, job_ids: Sequence[str], query: SceneQuery) -> dict[str, int]:
    """Return the number of scenes of each of these jobs that match the query, on all pages."""
    select = (
        sa.select(SCENE.c.job_id, sa.func.count())
        .where(*_scene_conditions(query), SCENE.c.job_id.in_(job_ids))
        .group_by(SCENE.c.job_id)
    )
    counted = {str(job_id): int(count) for job_id, count in await connection.execute(select)}
    return {job_id: counted.get(job_id, 0) for job_id in job_ids}


def _job_condition(viewer: Viewer, query: JobQuery) -> Condition:
    conditions = [visible(viewer)]
    if not query.include_deleted:
        conditions.append(JOB.c.deleted_at.is_(None))
    if query.status is not None:
        conditions.append(JOB.c.status.in_(query.status))
    if query.owner_id is not None:
        conditions.append(JOB.c.owner_id == query.owner_id)
    if query.updated_since is not None:
        conditions.append(JOB.c.updated_at >= query.updated_since)
    if query.search:
        conditions.append(_title_contains(query.search))
    return sa.and_(*conditions)


class _Bound(NamedTuple):
    """The conditions that a row is on the inner side of a cursor, and that it is not."""

    inside: Condition
    outside: Condition


def _bounds(
    after: Key | None, before: Key | None, key: Key, *, descending: bool = False
) -> dict[Literal["after", "before"], _Bound]:
    """Return the bounds that the given cursors set to the key of a row, in the order of the list."""
    bounds: dict[Literal["after", "before"], _Bound] = {}
    if after is not None:
        bounds["after"] = _Bound(key < after, key >= after) if descending else _Bound(key > after, key <= after)
    if before is not None:
        bounds["before"] = _Bound(key > before, key <= before) if descending else _Bound(key < before, key >= before)
    return bounds


def _title_contains(search: str) -> Condition:
    """Return the condition that a title contains the text, in any case."""
    patterns = [JOB.c.title_folded.contains(pattern, autoescape=True) for pattern in search_patterns(search)]
    # A title that an older process wrote is folded within the hour.
    simple = sa.func.lower(JOB.c.title).contains(search.lower(), autoescape=True)
    return sa.or_(*patterns, JOB.c.title_folded.is_(None) & simple)


def _scene_conditions(query: SceneQuery) -> list[Condition]:
    conditions: list[Condition] = []
    if not query.include_deleted:
        conditions.append(SCENE.c.deleted_at.is_(None))
    if query.status is not None:
        conditions.append(SCENE.c.status.in_(query.status))
    return conditions


def _job_key(argument: str, order: JobOrderField, cursor: tuple[str, ...]) -> list[sa.BindParameter[Any]]:
    if len(cursor) != 3 or cursor[0] != order:
        raise invalid_cursor(argument)
    _, text, job_id = cursor
    value: object = text if order is JobOrderField.TITLE else _instant(argument, text)
    return [sa.bindparam(None, value, _ORDER_COLUMNS[order].type), sa.bindparam(None, job_id, JOB.c.id.type)]


def _instant(argument: str, text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise ValueError(text)
        return instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise invalid_cursor(argument) from error


def _scene_key(argument: str, cursor: tuple[str, ...]) -> list[sa.BindParameter[Any]]:
    if len(cursor) != 3 or cursor[0] != SCENE_ORDER:
        raise invalid_cursor(argument)
    _, position, scene_id = cursor
    if not position.isdecimal() or len(position) > 9:
        raise invalid_cursor(argument)
    return [sa.bindparam(None, int(position), sa.Integer()), sa.bindparam(None, scene_id, SCENE.c.id.type)]
