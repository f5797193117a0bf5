"""Reads by id, and what the coordinator reads. What a person may see is decided here: see `visible`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

import sqlalchemy as sa

from models.db import rows
from models.db.database import Connection
from models.db.rows import (
    EVENT_COLUMNS,
    JOB_COLUMNS,
    SCENE_SELECT,
    TAKE_SELECT,
    Column,
    EventRow,
    JobRow,
    SceneRow,
    TakeRow,
    columns_by_name,
    select_columns,
)
from models.db.tables import ALLOWANCE, EVENT, JOB, SCENE, TAKE
from models.domain.access import EXTERNAL, Viewer
from models.domain.ids import Prefix, is_id
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.progress import ProgressSnapshot

Condition = sa.ColumnElement[bool]
RowT = TypeVar("RowT")
FindById = Callable[[Connection, Viewer, Sequence[str]], Awaitable[Mapping[str, RowT]]]


def visible(viewer: Viewer) -> Condition:
    """The condition that a row of `job` may be seen: the one place where reads are scoped; see `access.may_see`."""
    if viewer.sees_all:
        return sa.true()
    own = JOB.c.owner_id == viewer.id
    return own | ((JOB.c.provider == EXTERNAL) & JOB.c.deleted_at.is_(None)) if viewer.is_worker else own


async def one(find: FindById[RowT], connection: Connection, viewer: Viewer, row_id: str) -> RowT | None:
    """Return the row with this id, by a query for many ids such as `jobs_by_id`; None when it is not visible."""
    return (await find(connection, viewer, [row_id])).get(row_id)


async def jobs_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, JobRow]:
    """The visible ones of these jobs."""
    query = sa.select(*JOB_COLUMNS).where(JOB.c.id.in_(_proper(ids, "job")), visible(viewer))
    return {job.id: job for job in rows.all_rows(JobRow, await connection.execute(query))}


async def scenes_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, SceneRow]:
    """The visible ones of these scenes."""
    query = SCENE_SELECT.where(SCENE.c.id.in_(_proper(ids, "scene")), visible(viewer))
    return {scene.id: scene for scene in rows.all_rows(SceneRow, await connection.execute(query))}


async def takes_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, TakeRow]:
    """The visible ones of these takes."""
    query = TAKE_SELECT.join(JOB, JOB.c.id == TAKE.c.job_id).where(TAKE.c.id.in_(_proper(ids, "take")), visible(viewer))
    return {take.id: take for take in rows.all_rows(TakeRow, await connection.execute(query))}


async def job_of_scene(connection: Connection, viewer: Viewer, scene_id: str) -> str | None:
    """The job a visible scene belongs to; it never changes."""
    return (await jobs_of_scenes(connection, viewer, [scene_id])).get(scene_id)


async def jobs_of_scenes(connection: Connection, viewer: Viewer, scene_ids: Sequence[str]) -> dict[str, str]:
    """The job of each visible one of these scenes."""
    query = (
        sa.select(SCENE.c.id, SCENE.c.job_id)
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
        .where(SCENE.c.id.in_(_proper(scene_ids, "scene")), visible(viewer))
    )
    return {str(scene_id): str(job_id) for scene_id, job_id in await connection.execute(query)}


async def takes_of_scenes(connection: Connection, scene_ids: Sequence[str], limit: int) -> dict[str, list[TakeRow]]:
    """The newest takes of each of these scenes, newest first."""
    rank = sa.func.row_number().over(partition_by=TAKE.c.scene_id, order_by=TAKE.c.number.desc()).label("rank")
    ranked = sa.select(TAKE.c.id, rank).where(TAKE.c.scene_id.in_(scene_ids)).subquery()
    query = TAKE_SELECT.join(ranked, ranked.c.id == TAKE.c.id).where(ranked.c.rank <= limit)
    found: dict[str, list[TakeRow]] = {scene_id: [] for scene_id in scene_ids}
    for take in await rows.all_rows_yielding(TakeRow, await connection.execute(query.order_by(TAKE.c.number.desc()))):
        found[take.scene_id].append(take)
    return found


async def with_other_clips(connection: Connection, scene_ids: Sequence[str]) -> dict[str, bool]:
    """Those of these scenes that have a completed take beside the one they show."""
    query = (
        sa.select(TAKE.c.scene_id)
        .select_from(TAKE.join(SCENE, SCENE.c.id == TAKE.c.scene_id))
        .where(TAKE.c.scene_id.in_(scene_ids), TAKE.c.status == SceneStatus.COMPLETED, TAKE.c.id != SCENE.c.take_id)
        .distinct()
    )
    return dict.fromkeys((await connection.execute(query)).scalars(), True)


async def allowance_full_at(connection: Connection, owner_id: str, purpose: str) -> datetime | None:
    """When the owner may again do all that is allowed at once; None when nothing was done yet."""
    query = sa.select(ALLOWANCE.c.full_at).where(ALLOWANCE.c.owner_id == owner_id, ALLOWANCE.c.purpose == purpose)
    return (await connection.execute(query)).scalar()


async def events_of_jobs(
    connection: Connection, job_ids: Sequence[str], after: int, limit: int
) -> dict[str, list[EventRow]]:
    """The first `limit` events after a version, oldest first, of each of these jobs."""
    rank = sa.func.row_number().over(partition_by=EVENT.c.job_id, order_by=EVENT.c.version).label("rank")
    ranked = (
        sa.select(EVENT.c.job_id, EVENT.c.version, rank)
        .where(EVENT.c.job_id.in_(job_ids), EVENT.c.version > after)
        .subquery()
    )
    query = (
        sa.select(*EVENT_COLUMNS)
        .select_from(EVENT.join(ranked, (ranked.c.job_id == EVENT.c.job_id) & (ranked.c.version == EVENT.c.version)))
        .where(ranked.c.rank <= limit)
        .order_by(EVENT.c.job_id, EVENT.c.version)
    )
    found: dict[str, list[EventRow]] = {job_id: [] for job_id in job_ids}
    for event in await rows.all_rows_yielding(EventRow, await connection.execute(query)):
        found[event.job_id].append(event)
    return found


async def events_after(connection: Connection, job_id: str, after: int, limit: int) -> list[EventRow]:
    """The first `limit` events of one job after a version, oldest first."""
    query = sa.select(*EVENT_COLUMNS).where(EVENT.c.job_id == job_id, EVENT.c.version > after)
    return rows.all_rows(EventRow, await connection.execute(query.order_by(EVENT.c.version).limit(limit)))


async def progress_snapshots(
    connection: Connection, viewer: Viewer, job_ids: Sequence[str]
) -> dict[str, ProgressSnapshot]:
    """How far each visible one of these jobs is, read in one statement and so at one version."""
    query = sa.select(*_PROGRESS_COLUMNS).where(JOB.c.id.in_(_proper(job_ids, "job")), visible(viewer))
    snapshots = [ProgressSnapshot._make(row) for row in await connection.execute(query)]
    return {snapshot.job_id: snapshot for snapshot in snapshots}


def _over_live_scenes(column: sa.ColumnElement[float], condition: Condition) -> sa.ScalarSelect[float]:
    """The sum of a column over those live scenes of a job that meet the condition."""
    total = sa.select(sa.func.coalesce(sa.func.sum(column), 0.0))
    return total.where(SCENE.c.job_id == JOB.c.id, SCENE.c.deleted_at.is_(None), condition).scalar_subquery()


async def queue_positions(connection: Connection, scene_ids: Sequence[str]) -> dict[str, int]:
    """How many takes are in front of each of these scenes; absent for one that is not waiting for a worker."""
    place = sa.func.row_number().over(
        order_by=[SCENE.c.priority.desc(), SCENE.c.queued_at, SCENE.c.position, SCENE.c.id]
    )
    waiting = (
        sa.select(SCENE.c.id, (place - 1).label("ahead"))
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
        .where(waits_for_worker())
        .subquery()
    )
    query = sa.select(waiting.c.id, waiting.c.ahead).where(waiting.c.id.in_(scene_ids))
    return {str(scene_id): int(ahead) for scene_id, ahead in await connection.execute(query)}


def waits_for_worker() -> Condition:
    """The condition that a scene (joined with its job) is queued: pending, live, in a job that has begun."""
    return sa.and_(
        SCENE.c.status == SceneStatus.PENDING,
        SCENE.c.queued_at.is_not(None),
        SCENE.c.deleted_at.is_(None),
        JOB.c.deleted_at.is_(None),
    )


async def open_renders(connection: Connection) -> list[SceneRow]:
    """Every scene that our own workers must still render, or were rendering when they were last heard of."""
    query = SCENE_SELECT.where(
        SCENE.c.deleted_at.is_(None),
        JOB.c.deleted_at.is_(None),
        sa.or_(
            waits_for_worker(),
            sa.and_(SCENE.c.status == SceneStatus.PROCESSING, SCENE.c.leased_by.is_not(None)),
        ),
    )
    return rows.all_rows(SceneRow, await connection.execute(query.order_by(SCENE.c.queued_at, SCENE.c.position)))


async def unjoined(connection: Connection) -> list[tuple[str, int]]:
    """Every job whose clips are yet to be joined, with the version at which its composition became complete."""
    query = sa.select(JOB.c.id, JOB.c.composition_version).where(_is_unjoined())
    return [
        (job_id, composition_version)
        for job_id, composition_version in await connection.execute(query.order_by(JOB.c.updated_at))
    ]


def _is_unjoined() -> Condition:
    return sa.and_(
        JOB.c.status == JobStatus.COMPLETED,
        JOB.c.output.is_(sa.null()),
        JOB.c.output_failure.is_(sa.null()),
        JOB.c.deleted_at.is_(None),
    )


class RunningScene(NamedTuple):
    """How far the current take of a running scene is; `percentage` 0..100 or None, `frame` the newest one's number."""

    id: str
    take_id: str
    take_number: int
    percentage: float | None
    frame: int | None


async def running_scenes(connection: Connection, scene_ids: Sequence[str]) -> list[RunningScene]:
    """Those of these scenes that are being rendered."""
    query = sa.select(*_RUNNING_SCENE_COLUMNS).where(
        SCENE.c.id.in_(scene_ids), SCENE.c.status == SceneStatus.PROCESSING, SCENE.c.deleted_at.is_(None)
    )
    return [RunningScene._make(row) for row in await connection.execute(query)]


class JobHead(NamedTuple):
    """Where a job's clock is, and what decides who may see it."""

    id: str
    version: int
    owner_id: str
    provider: str
    deleted_at: datetime | None


async def job_heads(connection: Connection, job_ids: Sequence[str]) -> dict[str, JobHead]:
    """How each of these jobs stands; absent once purged."""
    query = sa.select(*_JOB_HEAD_COLUMNS).where(JOB.c.id.in_(job_ids))
    heads = [JobHead._make(row) for row in await connection.execute(query)]
    return {head.id: head for head in heads}


async def changed_since(connection: Connection, since: datetime) -> list[str]:
    """The jobs that changed after this instant."""
    query = sa.select(JOB.c.id).where(JOB.c.updated_at > since)
    return list((await connection.execute(query)).scalars())


def _proper(ids: Sequence[str], prefix: Prefix) -> list[str]:
    """Only what could be an id: drivers choke on NUL and broken surrogates."""
    return [each for each in ids if is_id(each, prefix)]


def _progress_sources() -> dict[str, Column]:
    computed: dict[str, Column] = {
        "job_id": JOB.c.id,
        "high_water": _over_live_scenes(SCENE.c.high_water, SCENE.c.status != SceneStatus.COMPLETED),
        "under_way": _over_live_scenes(SCENE.c.percentage, SCENE.c.status == SceneStatus.PROCESSING),
        "awaiting_assembly": _is_unjoined(),
    }
    return columns_by_name(JOB, [field for field in ProgressSnapshot._fields if field not in computed]) | computed


_PROGRESS_COLUMNS = select_columns(ProgressSnapshot._fields, _progress_sources())
_RUNNING_SCENE_COLUMNS = select_columns(RunningScene._fields, columns_by_name(SCENE, RunningScene._fields))
_JOB_HEAD_COLUMNS = select_columns(JobHead._fields, columns_by_name(JOB, JobHead._fields))
