"""Reads by id, and the reads of background work. `visible` scopes the former by the viewer."""

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
    """Return the condition that a job is visible: the only place that scopes reads of jobs. See `access.may_see`."""
    if viewer.sees_all:
        return sa.true()
    own = JOB.c.owner_id == viewer.id
    return own | ((JOB.c.provider == EXTERNAL) & JOB.c.deleted_at.is_(None)) if viewer.is_worker else own


async def one(find: FindById[RowT], connection: Connection, viewer: Viewer, row_id: str) -> RowT | None:
    """Return the row with this id, by a query for many ids such as `jobs_by_id`; None when it is not visible."""
    return (await find(connection, viewer, [row_id])).get(row_id)


async def jobs_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, JobRow]:
    """Return those of these jobs that are visible."""
    query = sa.select(*JOB_COLUMNS).where(JOB.c.id.in_(_well_formed(ids, "job")), visible(viewer))
    return {job.id: job for job in rows.all_rows(JobRow, await connection.execute(query))}


async def scenes_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, SceneRow]:
    """Return those of these scenes that are visible."""
    query = SCENE_SELECT.where(SCENE.c.id.in_(_well_formed(ids, "scene")), visible(viewer))
    return {scene.id: scene for scene in rows.all_rows(SceneRow, await connection.execute(query))}


async def takes_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, TakeRow]:
    """Return those of these takes that are visible."""
    query = TAKE_SELECT.join(JOB, JOB.c.id == TAKE.c.job_id).where(
        TAKE.c.id.in_(_well_formed(ids, "take")), visible(viewer)
    )
    return {take.id: take for take in rows.all_rows(TakeRow, await connection.execute(query))}


async def job_of_scene(connection: Connection, viewer: Viewer, scene_id: str) -> str | None:
    """Return the job of a visible scene, which never changes; None for any other id."""
    return (await jobs_of_scenes(connection, viewer, [scene_id])).get(scene_id)


async def jobs_of_scenes(connection: Connection, viewer: Viewer, scene_ids: Sequence[str]) -> dict[str, str]:
    """Return the job of each of these scenes that is visible."""
    query = (
        sa.select(SCENE.c.id, SCENE.c.job_id)
        .select_from(SCENE.join(JOB, JOB.c.id == SCENE.c.job_id))
        .where(SCENE.c.id.in_(_well_formed(scene_ids, "scene")), visible(viewer))
    )
    return {str(scene_id): str(job_id) for scene_id, job_id in await connection.execute(query)}


async def takes_of_scenes(connection: Connection, scene_ids: Sequence[str], limit: int) -> dict[str, list[TakeRow]]:
    """Return the latest `limit` takes of each of these scenes, newest first."""
    rank = sa.func.row_number().over(partition_by=TAKE.c.scene_id, order_by=TAKE.c.number.desc()).label("rank")
    ranked = sa.select(TAKE.c.id, rank).where(TAKE.c.scene_id.in_(scene_ids)).subquery()
    query = TAKE_SELECT.join(ranked, ranked.c.id == TAKE.c.id).where(ranked.c.rank <= limit)
    found: dict[str, list[TakeRow]] = {scene_id: [] for scene_id in scene_ids}
    for take in await rows.all_rows_yielding(TakeRow, await connection.execute(query.order_by(TAKE.c.number.desc()))):
        found[take.scene_id].append(take)
    return found


async def with_other_clips(connection: Connection, scene_ids: Sequence[str]) -> dict[str, bool]:
    """Return True for each of these scenes that has a completed take besides its current one."""
    query = (
        sa.select(TAKE.c.scene_id)
        .select_from(TAKE.join(SCENE, SCENE.c.id == TAKE.c.scene_id))
        .where(TAKE.c.scene_id.in_(scene_ids), TAKE.c.status == SceneStatus.COMPLETED, TAKE.c.id != SCENE.c.take_id)
        .distinct()
    )
    return dict.fromkeys((await connection.execute(query)).scalars(), True)


async def allowance_full_at(connection: Connection, owner_id: str, purpose: str) -> datetime | None:
    """Return when the owner's rate limit bucket is full again; None when it was never used."""
    query = sa.select(ALLOWANCE.c.full_at).where(ALLOWANCE.c.owner_id == owner_id, ALLOWANCE.c.purpose == purpose)
    return (await connection.execute(query)).scalar()


async def events_of_jobs(
    connection: Connection, job_ids: Sequence[str], after: int, limit: int
) -> dict[str, list[EventRow]]:
    """Return the first `limit` events of each of these jobs after a version, oldest first."""
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
    """Return the first `limit` events of a job after a version, oldest first."""
    query = sa.select(*EVENT_COLUMNS).where(EVENT.c.job_id == job_id, EVENT.c.version > after)
    return rows.all_rows(EventRow, await connection.execute(query.order_by(EVENT.c.version).limit(limit)))


async def progress_snapshots(
    connection: Connection, viewer: Viewer, job_ids: Sequence[str]
) -> dict[str, ProgressSnapshot]:
    """Return the progress of each of these jobs that is visible, in one statement and so at one version."""
    query = sa.select(*_PROGRESS_COLUMNS).where(JOB.c.id.in_(_well_formed(job_ids, "job")), visible(viewer))
    snapshots = [ProgressSnapshot._make(row) for row in await connection.execute(query)]
    return {snapshot.job_id: snapshot for snapshot in snapshots}


def _over_live_scenes(column: sa.ColumnElement[float], condition: Condition) -> sa.ScalarSelect[float]:
    """Return the sum of a column over the live scenes of a job that meet the condition."""
    total = sa.select(sa.func.coalesce(sa.func.sum(column), 0.0))
    return total.where(SCENE.c.job_id == JOB.c.id, SCENE.c.deleted_at.is_(None), condition).scalar_subquery()


async def queue_positions(connection: Connection, scene_ids: Sequence[str]) -> dict[str, int]:
    """Return the number of takes ahead of each of these scenes; absent for scenes that do not wait for a worker."""
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
    """Return the condition that a scene (joined with its job) waits for one of our workers."""
    return sa.and_(
        SCENE.c.status == SceneStatus.PENDING,
        SCENE.c.queued_at.is_not(None),
        SCENE.c.deleted_at.is_(None),
        JOB.c.deleted_at.is_(None),
    )


async def open_renders(connection: Connection) -> list[SceneRow]:
    """Return every scene that waits for one of our workers or is leased by one."""
    query = SCENE_SELECT.where(
        SCENE.c.deleted_at.is_(None),
        JOB.c.deleted_at.is_(None),
        sa.or_(
            waits_for_worker(),
            sa.and_(SCENE.c.status == SceneStatus.PROCESSING, SCENE.c.leased_by.is_not(None)),
        ),
    )
    return rows.all_rows(SceneRow, await connection.execute(query.order_by(SCENE.c.queued_at, SCENE.c.position)))


async def awaiting_assembly(connection: Connection) -> list[tuple[str, int]]:
    """Return every job whose clips must still be joined, and the version at which its composition became complete."""
    query = sa.select(JOB.c.id, JOB.c.composition_version).where(_awaits_assembly())
    return [
        (job_id, composition_version)
        for job_id, composition_version in await connection.execute(query.order_by(JOB.c.updated_at))
    ]


def _awaits_assembly() -> Condition:
    return sa.and_(
        JOB.c.status == JobStatus.COMPLETED,
        JOB.c.output.is_(sa.null()),
        JOB.c.output_failure.is_(sa.null()),
        JOB.c.deleted_at.is_(None),
    )


async def running_scenes(connection: Connection, scene_ids: Sequence[str]) -> list[SceneRow]:
    """Return those of these scenes that are being rendered."""
    query = SCENE_SELECT.where(
        SCENE.c.id.in_(scene_ids), SCENE.c.status == SceneStatus.PROCESSING, SCENE.c.deleted_at.is_(None)
    )
    return rows.all_rows(SceneRow, await connection.execute(query))


class JobHead(NamedTuple):
    """The version of a job, and the columns that authorization depends on."""

    id: str
    version: int
    owner_id: str
    provider: str
    deleted_at: datetime | None


async def job_heads(connection: Connection, job_ids: Sequence[str]) -> dict[str, JobHead]:
    """Return the head of each of these jobs; absent once purged."""
    query = sa.select(*_JOB_HEAD_COLUMNS).where(JOB.c.id.in_(job_ids))
    heads = [JobHead._make(row) for row in await connection.execute(query)]
    return {head.id: head for head in heads}


async def jobs_changed_since(connection: Connection, since: datetime) -> list[str]:
    """Return the jobs that changed after this instant."""
    query = sa.select(JOB.c.id).where(JOB.c.updated_at > since)
    return list((await connection.execute(query)).scalars())


def _well_formed(ids: Sequence[str], prefix: Prefix) -> list[str]:
    """Return the well-formed ids: drivers fail on NUL and unpaired surrogates."""
    return [each for each in ids if is_id(each, prefix)]


def _progress_sources() -> dict[str, Column]:
    computed: dict[str, Column] = {
        "job_id": JOB.c.id,
        "high_water": _over_live_scenes(SCENE.c.high_water, SCENE.c.status != SceneStatus.COMPLETED),
        "under_way": _over_live_scenes(SCENE.c.percentage, SCENE.c.status == SceneStatus.PROCESSING),
        "awaiting_assembly": _awaits_assembly(),
    }
    return columns_by_name(JOB, [field for field in ProgressSnapshot._fields if field not in computed]) | computed


_PROGRESS_COLUMNS = select_columns(ProgressSnapshot._fields, _progress_sources())
_JOB_HEAD_COLUMNS = select_columns(JobHead._fields, columns_by_name(JOB, JobHead._fields))
