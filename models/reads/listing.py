"""Lists, filtered and a page at a time: of the jobs of a viewer, and of the scenes of a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from models.db import rows
from models.db.database import Connection
from models.db.rows import JOB_COLUMNS, SCENE_SELECT, JobRow, SceneRow
from models.db.tables import JOB, SCENE
from models.domain.access import Viewer
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.paging import Page, Window, invalid_cursor, page
from models.reads.queries import Condition, visible

# What a cursor of scenes says its order is.
SCENE_ORDER = "POSITION"


class JobOrderField(StrEnum):
    """What a list of jobs can be ordered by."""

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
    """Which jobs, in which order."""

    status: Sequence[JobStatus] | None = None
    search: str | None = None
    updated_since: datetime | None = None
    owner_id: str | None = None
    include_deleted: bool = False
    order: JobOrderField = JobOrderField.CREATED_AT
    descending: bool = True

    def key(self, job: JobRow) -> tuple[str, str, str]:
        """The place of a job in this order, as a cursor holds it."""
        value: object = getattr(job, self.order.value.lower())
        return (self.order.value, value.isoformat() if isinstance(value, datetime) else str(value), job.id)


@dataclass(frozen=True, slots=True)
class SceneQuery:
    """Which scenes of a job."""

    window: Window
    status: tuple[SceneStatus, ...] | None = None
    include_deleted: bool = False


async def jobs_page(connection: Connection, viewer: Viewer, wanted: JobQuery, window: Window) -> Page[JobRow]:
    """One page of the jobs wanted."""
    column = _ORDER_COLUMNS[wanted.order]
    descending = wanted.descending != window.backward
    query = sa.select(*JOB_COLUMNS).where(_wanted(viewer, wanted))
    for name, cursor, beyond in (
        ("after", window.after, wanted.descending),
        ("before", window.before, not wanted.descending),
    ):
        if cursor is not None:
            key = sa.tuple_(column, JOB.c.id)
            place = sa.tuple_(*_job_key(name, wanted.order, cursor))
            query = query.where(key < place if beyond else key > place)
    ordering = [column.desc(), JOB.c.id.desc()] if descending else [column, JOB.c.id]
    query = query.order_by(*ordering).limit(None if window.limit is None else window.limit + 1)
    return page(rows.all_rows(JobRow, await connection.execute(query)), window)


async def jobs_count(connection: Connection, viewer: Viewer, wanted: JobQuery) -> int:
    """How many jobs are wanted in all."""
    query = sa.select(sa.func.count()).select_from(JOB).where(_wanted(viewer, wanted))
    return (await connection.execute(query)).scalar_one()


async def matching(connection: Connection, viewer: Viewer, wanted: JobQuery, ids: Sequence[str]) -> list[JobRow]:
    """Those of these jobs that are wanted, the one changed longest ago first."""
    query = sa.select(*JOB_COLUMNS).where(JOB.c.id.in_(ids), _wanted(viewer, wanted))
    return rows.all_rows(JobRow, await connection.execute(query.order_by(JOB.c.updated_at, JOB.c.id)))


def scene_key(scene: SceneRow) -> tuple[str, str, str]:
    """The place of a scene in its job, as a cursor holds it."""
    return (SCENE_ORDER, str(scene.position), scene.id)


async def scenes_of_jobs(
    connection: Connection, job_ids: Sequence[str], wanted: SceneQuery
) -> dict[str, Page[SceneRow]]:
    """One page of scenes for each of these jobs, which the caller has already been allowed to see."""
    window = wanted.window
    order = [SCENE.c.position, SCENE.c.id]
    conditions = [*_scene_conditions(wanted), SCENE.c.job_id.in_(job_ids)]
    place = sa.tuple_(SCENE.c.position, SCENE.c.id)
    if window.after is not None:
        conditions.append(place > sa.tuple_(*_scene_key("after", window.after)))
    if window.before is not None:
        conditions.append(place < sa.tuple_(*_scene_key("before", window.before)))
    if window.backward:
        order = [column.desc() for column in order]
    query = SCENE_SELECT.where(*conditions)
    if window.limit is not None:
        rank = sa.func.row_number().over(partition_by=SCENE.c.job_id, order_by=order).label("rank")
        ranked = sa.select(SCENE.c.id, rank).where(*conditions).subquery()
        query = SCENE_SELECT.join(ranked, ranked.c.id == SCENE.c.id).where(ranked.c.rank <= window.limit + 1)
    found: dict[str, list[SceneRow]] = {job_id: [] for job_id in job_ids}
    for scene in await rows.all_rows_yielding(SceneRow, await connection.execute(query.order_by(*order))):
        found[scene.job_id].append(scene)
    return {job_id: page(scenes, window) for job_id, scenes in found.items()}


async def scenes_count(connection: Connection, job_ids: Sequence[str], wanted: SceneQuery) -> dict[str, int]:
    """How many scenes each of these jobs has, whatever the page."""
    query = (
        sa.select(SCENE.c.job_id, sa.func.count())
        .where(*_scene_conditions(wanted), SCENE.c.job_id.in_(job_ids))
        .group_by(SCENE.c.job_id)
    )
    counted = {str(job_id): int(count) for job_id, count in await connection.execute(query)}
    return {job_id: counted.get(job_id, 0) for job_id in job_ids}


def _wanted(viewer: Viewer, wanted: JobQuery) -> Condition:
    conditions = [visible(viewer)]
    if not wanted.include_deleted:
        conditions.append(JOB.c.deleted_at.is_(None))
    if wanted.status is not None:
        conditions.append(JOB.c.status.in_(wanted.status))
    if wanted.owner_id is not None:
        conditions.append(JOB.c.owner_id == wanted.owner_id)
    if wanted.updated_since is not None:
        conditions.append(JOB.c.updated_at >= wanted.updated_since)
    if wanted.search:
        conditions.append(sa.func.lower(JOB.c.title).contains(wanted.search.lower(), autoescape=True))
    return sa.and_(*conditions)


def _scene_conditions(wanted: SceneQuery) -> list[Condition]:
    conditions: list[Condition] = []
    if not wanted.include_deleted:
        conditions.append(SCENE.c.deleted_at.is_(None))
    if wanted.status is not None:
        conditions.append(SCENE.c.status.in_(wanted.status))
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
