"""Reads by id, and the reads of background work. `visible` scopes the former by the viewer."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple, Protocol

import sqlalchemy as sa

from models.db import rows
from models.db.database import Connection, Database
from models.db.readers import fetch, fetch_rows
from models.db.rows import SCENE_SELECT, EventRow, JobRow, SceneRow, TakeRow
from models.db.snapshot import Snapshot
from models.db.statements import Row, RowT, Statement, rows_of
from models.db.tables import ALLOWANCE, JOB, SCENE
from models.domain.access import LEASED, Viewer
from models.domain.ids import Prefix, is_id
from models.domain.lifecycle import SceneStatus
from models.domain.progress import ProgressSnapshot
from models.reads import shapes
from models.reads.shapes import Condition

# What the ids of leased workers begin with.
_WORKER = "worker_"

FindById = Callable[[Connection, Viewer, Sequence[str]], Awaitable[Mapping[str, RowT]]]


class ByIdShape(Protocol):
    """A SELECT by id in `shapes`."""

    def __call__(self, kind: str, scope: shapes.Scope, /, *, one: bool) -> Statement:
        """Return the compiled statement."""
        ...


def visible(viewer: Viewer) -> Condition:
    """Return the condition that a job is visible."""
    return shapes.within(shapes.scope_of(viewer), viewer.reads_as)


async def one(find: FindById[RowT], connection: Connection, viewer: Viewer, row_id: str) -> RowT | None:
    """Return the row with this id, by a query for many ids such as `jobs_by_id`; None when it is not visible."""
    return (await find(connection, viewer, [row_id])).get(row_id)


async def jobs_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, JobRow]:
    """Return those of these jobs that are visible."""
    return {job.id: job for job in await _by_id(connection, JobRow, shapes.jobs, viewer, ids, "job")}


async def scenes_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, SceneRow]:
    """Return those of these scenes that are visible."""
    return {scene.id: scene for scene in await _by_id(connection, SceneRow, shapes.scenes, viewer, ids, "scene")}


async def takes_by_id(connection: Connection, viewer: Viewer, ids: Sequence[str]) -> dict[str, TakeRow]:
    """Return those of these takes that are visible."""
    return {take.id: take for take in await _by_id(connection, TakeRow, shapes.takes, viewer, ids, "take")}


async def version_alone(snapshot: Snapshot, viewer: Viewer, job_id: str) -> int | None:
    """Return the version of a visible job, which is the only read of its answer; None for any other id."""
    statement = shapes.jobs(snapshot.kind, shapes.scope_of(viewer), one=True, columns=("version",))
    found = await _of_job_alone(snapshot, viewer, job_id, statement)
    return found[0][0] if found else None


async def progress_alone(snapshot: Snapshot, viewer: Viewer, job_id: str) -> ProgressSnapshot | None:
    """Return the progress of a visible job, which is the only read of its answer; None for any other id."""
    statement = shapes.progress(snapshot.kind, shapes.scope_of(viewer), one=True)
    found = rows_of(ProgressSnapshot, statement, await _of_job_alone(snapshot, viewer, job_id, statement))
    return found[0] if found else None


async def job_of_scene(connection: Connection, viewer: Viewer, scene_id: str) -> str | None:
    """Return the job of a visible scene, which never changes; None for any other id."""
    return (await jobs_of_scenes(connection, viewer, [scene_id])).get(scene_id)


async def job_of_scene_alone(database: Database, viewer: Viewer, scene_id: str) -> str | None:
    """Return what `job_of_scene` does, by one statement without a transaction."""
    if not is_id(scene_id, "scene"):
        return None
    columns = ("id", "job_id")
    statement = shapes.scenes(database.kind, shapes.scope_of(viewer), columns=columns, one=True)
    found = await database.fetch(statement, {"ids": [scene_id], "viewer": viewer.reads_as})
    return found[0][1] if found else None


async def jobs_of_scenes(connection: Connection, viewer: Viewer, scene_ids: Sequence[str]) -> dict[str, str]:
    """Return the job of each of these scenes that is visible."""
    shape = partial(shapes.scenes, columns=("id", "job_id"))
    return dict(await _by_id(connection, _JobOfScene, shape, viewer, scene_ids, "scene"))


async def takes_of_scenes(connection: Connection, scene_ids: Sequence[str], limit: int) -> dict[str, list[TakeRow]]:
    """Return the latest `limit` takes of each of these scenes, newest first."""
    statement = shapes.takes_of_scenes(connection.dialect.name, one=len(scene_ids) == 1)
    found: dict[str, list[TakeRow]] = {scene_id: [] for scene_id in scene_ids}
    for take in await fetch_rows(connection, TakeRow, statement, {"ids": scene_ids, "limit": limit}):
        found[take.scene_id].append(take)
    return found


async def with_other_clips(connection: Connection, scene_ids: Sequence[str]) -> dict[str, bool]:
    """Return True for each of these scenes that has a completed take besides its current one."""
    statement = shapes.other_clips(connection.dialect.name, one=len(scene_ids) == 1)
    return {str(scene_id): True for (scene_id,) in await fetch(connection, statement, {"ids": scene_ids})}


async def allowance_full_at(connection: Connection, owner_id: str, purpose: str) -> datetime | None:
    """Return when the owner's rate limit bucket is full again; None when it was never used."""
    query = sa.select(ALLOWANCE.c.full_at).where(ALLOWANCE.c.owner_id == owner_id, ALLOWANCE.c.purpose == purpose)
    return (await connection.execute(query)).scalar()


async def events_of_jobs(
    connection: Connection, job_ids: Sequence[str], after: int, limit: int
) -> dict[str, list[EventRow]]:
    """Return the first `limit` events of each of these jobs after a version, oldest first."""
    statement = shapes.events(connection.dialect.name, one=len(job_ids) == 1)
    values = {"ids": job_ids, "after": after, "limit": limit}
    found: dict[str, list[EventRow]] = {job_id: [] for job_id in job_ids}
    for event in await fetch_rows(connection, EventRow, statement, values):
        found[event.job_id].append(event)
    return found


async def events_after(connection: Connection, job_id: str, after: int, limit: int) -> list[EventRow]:
    """Return the first `limit` events of a job after a version, oldest first."""
    return (await events_of_jobs(connection, [job_id], after, limit))[job_id]


async def progress_snapshots(
    connection: Connection, viewer: Viewer, job_ids: Sequence[str]
) -> dict[str, ProgressSnapshot]:
    """Return the progress of each of these jobs that is visible, in one statement and so at one version."""
    found = await _by_id(connection, ProgressSnapshot, shapes.progress, viewer, job_ids, "job")
    return {snapshot.job_id: snapshot for snapshot in found}


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
        # Leased takes wait without tickets, and so do those that workers render.
        (JOB.c.provider != LEASED) | ~sa.func.coalesce(SCENE.c.leased_by, _WORKER).startswith(_WORKER, autoescape=True),
    )
    return rows.all_rows(SceneRow, await connection.execute(query.order_by(SCENE.c.queued_at, SCENE.c.position)))


class Unjoined(NamedTuple):
    """A job whose clips must still be joined; they last `seconds`, and are complete since `composition_version`."""

    job_id: str
    composition_version: int
    owner_id: str
    updated_at: datetime
    seconds: float


async def awaiting_assembly(connection: Connection) -> list[Unjoined]:
    """Return every job whose clips must still be joined, those that wait longest first."""
    seconds = sa.select(sa.func.coalesce(sa.func.sum(SCENE.c.duration_seconds), 0.0)).where(
        SCENE.c.job_id == JOB.c.id, SCENE.c.deleted_at.is_(None)
    )
    columns = (JOB.c.id, JOB.c.composition_version, JOB.c.owner_id, JOB.c.updated_at, seconds.scalar_subquery())
    query = sa.select(*columns).where(shapes.awaits_assembly()).order_by(JOB.c.updated_at)
    return [Unjoined(*row) for row in await connection.execute(query)]


async def running_scenes(connection: Connection, scene_ids: Sequence[str]) -> list[SceneRow]:
    """Return those of these scenes that are being rendered."""
    statement = shapes.running(connection.dialect.name, one=len(scene_ids) == 1)
    return await fetch_rows(connection, SceneRow, statement, {"ids": scene_ids})


class _JobOfScene(NamedTuple):
    id: str
    job_id: str


class JobHead(NamedTuple):
    """The version of a job, and the columns that authorization depends on."""

    id: str
    version: int
    owner_id: str
    provider: str
    deleted_at: datetime | None


async def job_heads(database: Database, job_ids: Sequence[str]) -> dict[str, JobHead]:
    """Return the head of each of these jobs, by one statement without a transaction; absent once purged."""
    statement = shapes.heads(database.kind, one=len(job_ids) == 1)
    found = await database.fetch(statement, {"ids": job_ids})
    return {head.id: head for head in rows_of(JobHead, statement, found)}


async def jobs_changed_since(connection: Connection, since: datetime) -> list[str]:
    """Return the jobs that changed after this instant."""
    query = sa.select(JOB.c.id).where(JOB.c.updated_at > since)
    return list((await connection.execute(query)).scalars())


async def _by_id(
    connection: Connection, row: type[RowT], shape: ByIdShape, viewer: Viewer, ids: Sequence[str], prefix: Prefix
) -> list[RowT]:
    """Return those of the rows with these ids that are visible."""
    # Drivers fail on NUL and unpaired surrogates.
    well_formed = [each for each in ids if is_id(each, prefix)]
    if not well_formed:
        return []
    statement = shape(connection.dialect.name, shapes.scope_of(viewer), one=len(well_formed) == 1)
    return await fetch_rows(connection, row, statement, {"ids": well_formed, "viewer": viewer.reads_as})


async def _of_job_alone(snapshot: Snapshot, viewer: Viewer, job_id: str, statement: Statement) -> list[Row]:
    if not is_id(job_id, "job"):
        return []
    return await snapshot.fetch_alone(statement, {"ids": [job_id], "viewer": viewer.reads_as})
