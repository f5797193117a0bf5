"""The compiled SELECTs of reads: one for each shape, which is what differs in their text.

Parameters: `ids` (a list), `viewer` (`Viewer.reads_as`, unless the scope is ALL or NONE), and those that a function
names. Other values are ignored, so callers need not know which of them a shape has. `one` promises that `ids` has one
item.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from models.db.rows import (
    Column,
    EventRow,
    JobRow,
    SceneRow,
    TakeRow,
    columns_by_name,
    scene_sources,
    select_columns,
    take_sources,
)
from models.db.statements import SHAPES, Kind, Statement, among, named, without_index
from models.db.tables import EVENT, JOB, REVOCATION, SCENE, TAKE
from models.db.token_tables import TOKEN_JOB
from models.domain.access import EXTERNAL, Grant, Viewer
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.progress import ProgressSnapshot

Condition = sa.ColumnElement[bool]
Columns = tuple[str, ...]
SelectT = TypeVar("SelectT", bound=sa.Select[Any])

JOB_SOURCES = columns_by_name(JOB, JobRow._fields)
SCENE_SOURCES = scene_sources()
TAKE_SOURCES = take_sources()
EVENT_SOURCES = columns_by_name(EVENT, EventRow._fields)
HEAD_COLUMNS: Columns = ("id", "version", "owner_id", "provider", "deleted_at")


# Not a parameter, by which a database would not know that a partial index has the rows.
EXTERNAL_PROVIDER: Final[sa.ColumnElement[str]] = sa.literal_column(f"'{EXTERNAL}'")


class Scope(StrEnum):
    """Which jobs a viewer may see."""

    ALL = "ALL"
    WORKER = "WORKER"
    OWN = "OWN"
    TOKEN = "TOKEN"  # noqa: S105 # a kind of scope
    """The jobs that an access token names; the parameter `viewer` is the id of the token."""
    NONE = "NONE"


def scope_of(viewer: Viewer) -> Scope:
    """Return the scope of a viewer."""
    if viewer.scope is not None:
        if not viewer.holds(Grant.READ):
            return Scope.NONE
        return Scope.OWN if viewer.scope.jobs is None else Scope.TOKEN
    if viewer.sees_all:
        return Scope.ALL
    return Scope.WORKER if viewer.is_worker else Scope.OWN


def external(kind: Kind) -> Condition:
    """Return the comparison of lists, which SQLite looks up in no index: it would find all such jobs, and sort them."""
    return without_index(kind, JOB.c.provider) == EXTERNAL_PROVIDER


def within(
    scope: Scope,
    viewer_id: sa.ColumnElement[str] | str | None = None,
    *,
    owner_id: sa.ColumnElement[str] = JOB.c.owner_id,
    is_external: Condition = JOB.c.provider == EXTERNAL,
) -> Condition:
    """Return the condition that a job is in the scope: the only place that scopes reads of jobs. See `access.may_see`.

    `viewer_id` is by default the parameter `viewer`, `owner_id` the column, and `is_external` a comparison of one.
    """
    if scope is Scope.ALL:
        return sa.true()
    if scope is Scope.NONE:
        return sa.false()
    value = named("viewer", JOB.c.owner_id.type) if viewer_id is None else viewer_id
    if scope is Scope.TOKEN:
        # Until its owner changes.
        of_token = jobs_of_token(value).where(TOKEN_JOB.c.job_id == JOB.c.id, TOKEN_JOB.c.owner_id == owner_id)
        return of_token.correlate(JOB).exists()
    own = owner_id == value
    return own | (is_external & JOB.c.deleted_at.is_(None)) if scope is Scope.WORKER else own


def jobs_of_token(token_id: sa.ColumnElement[str] | str) -> sa.Select[str]:
    """Select the ids of the jobs that an access token names."""
    return sa.select(TOKEN_JOB.c.job_id).where(TOKEN_JOB.c.token_id == token_id)


def selected(sources: Mapping[str, Column], columns: Columns) -> list[Column]:
    """Return these columns of a row, labelled with their names."""
    return [sources[name].label(name) for name in columns]


@lru_cache(SHAPES)
def jobs(kind: Kind, scope: Scope, *, one: bool, columns: Columns = JobRow._fields) -> Statement:
    """Jobs by id; the columns may be those of their progress, too."""
    select = sa.select(*selected(JOB_SOURCES | _progress_sources(kind), columns))
    return Statement(kind, select.where(*_jobs_by_id(kind, scope, one=one)))


@lru_cache(SHAPES)
def scenes(kind: Kind, scope: Scope, *, one: bool, columns: Columns = SceneRow._fields) -> Statement:
    """Scenes by id."""
    select = sa.select(*selected(SCENE_SOURCES, columns)).select_from(scenes_with(columns, scope))
    return Statement(kind, select.where(among(kind, SCENE.c.id, "ids", one=one), within(scope)))


def scenes_with(columns: Columns, scope: Scope = Scope.ALL) -> sa.FromClause:
    """Return the table of scenes, joined with the others that these columns and the scope need."""
    tables = {SCENE_SOURCES[name].table for name in columns if isinstance(SCENE_SOURCES[name], sa.Column)}
    joined: sa.FromClause = SCENE
    if JOB in tables or scope is not Scope.ALL:
        joined = joined.join(JOB, JOB.c.id == SCENE.c.job_id)
    return joined.join(TAKE, TAKE.c.id == SCENE.c.take_id) if TAKE in tables else joined


@lru_cache(SHAPES)
def takes(kind: Kind, scope: Scope, *, one: bool, columns: Columns = TakeRow._fields) -> Statement:
    """Takes by id."""
    joined = TAKE.join(SCENE, SCENE.c.id == TAKE.c.scene_id)
    if scope is not Scope.ALL:
        joined = joined.join(JOB, JOB.c.id == TAKE.c.job_id)
    select = sa.select(*selected(TAKE_SOURCES, columns)).select_from(joined)
    return Statement(kind, select.where(among(kind, TAKE.c.id, "ids", one=one), within(scope)))


@lru_cache(SHAPES)
def takes_of_scenes(kind: Kind, *, one: bool, columns: Columns = TakeRow._fields) -> Statement:
    """The takes of scenes whose ids are given, newest first: of each scene, the parameter `limit`."""
    of_scenes = among(kind, TAKE.c.scene_id, "ids", one=one)
    joined = TAKE.join(SCENE, SCENE.c.id == TAKE.c.scene_id)
    select = sa.select(*selected(TAKE_SOURCES, columns)).order_by(TAKE.c.number.desc())
    limit = named("limit", sa.Integer())
    if one:
        return Statement(kind, select.select_from(joined).where(of_scenes).limit(limit))
    rank = sa.func.row_number().over(partition_by=TAKE.c.scene_id, order_by=TAKE.c.number.desc()).label("rank")
    ranked = sa.select(TAKE.c.id, rank).where(of_scenes).subquery()
    joined = joined.join(ranked, ranked.c.id == TAKE.c.id)
    return Statement(kind, select.select_from(joined).where(ranked.c.rank <= limit))


@lru_cache(SHAPES)
def other_clips(kind: Kind, *, one: bool) -> Statement:
    """Of these scenes, those with a completed take besides the current one."""
    select = (
        sa.select(TAKE.c.scene_id)
        .select_from(TAKE.join(SCENE, SCENE.c.id == TAKE.c.scene_id))
        .where(
            among(kind, TAKE.c.scene_id, "ids", one=one),
            TAKE.c.status == SceneStatus.COMPLETED,
            TAKE.c.id != SCENE.c.take_id,
        )
        .distinct()
    )
    return Statement(kind, select)


@lru_cache(SHAPES)
def events(kind: Kind, *, one: bool, columns: Columns = EventRow._fields) -> Statement:
    """The events of jobs after the version `after`, oldest first: of each job, the parameter `limit`."""
    after, limit = named("after", sa.Integer()), named("limit", sa.Integer())
    conditions = [among(kind, EVENT.c.job_id, "ids", one=one), EVENT.c.version > after]
    select = sa.select(*selected(EVENT_SOURCES, columns)).order_by(EVENT.c.job_id, EVENT.c.version)
    if one:
        return Statement(kind, select.where(*conditions).limit(limit))
    rank = sa.func.row_number().over(partition_by=EVENT.c.job_id, order_by=EVENT.c.version).label("rank")
    ranked = sa.select(EVENT.c.job_id, EVENT.c.version, rank).where(*conditions).subquery()
    same = (ranked.c.job_id == EVENT.c.job_id) & (ranked.c.version == EVENT.c.version)
    return Statement(kind, select.select_from(EVENT.join(ranked, same)).where(ranked.c.rank <= limit))


@lru_cache(SHAPES)
def heads(kind: Kind, *, one: bool) -> Statement:
    """The heads of jobs by id."""
    select = sa.select(*selected(JOB_SOURCES, HEAD_COLUMNS))
    return Statement(kind, select.where(among(kind, JOB.c.id, "ids", one=one)))


@lru_cache(SHAPES)
def progress(kind: Kind, scope: Scope, *, one: bool) -> Statement:
    """The progress of jobs by id, in one statement and so at one version."""
    select = sa.select(*select_columns(ProgressSnapshot._fields, _progress_sources(kind)))
    return Statement(kind, select.where(*_jobs_by_id(kind, scope, one=one)))


@lru_cache(SHAPES)
def running(kind: Kind, *, one: bool) -> Statement:
    """Of these scenes, those that are being rendered."""
    select = sa.select(*selected(SCENE_SOURCES, SceneRow._fields)).select_from(scenes_with(SceneRow._fields))
    rendered = (without_index(kind, SCENE.c.status) == SceneStatus.PROCESSING) & SCENE.c.deleted_at.is_(None)
    return Statement(kind, select.where(among(kind, SCENE.c.id, "ids", one=one), rendered))


@lru_cache(SHAPES)
def revocations(kind: Kind, *, one: bool) -> Statement:
    """The revocations of subjects."""
    select = sa.select(REVOCATION.c.subject, REVOCATION.c.not_before)
    return Statement(kind, select.where(among(kind, REVOCATION.c.subject, "ids", one=one)))


def awaits_assembly() -> Condition:
    """Return the condition that the clips of a job are complete but not joined yet."""
    return sa.and_(
        JOB.c.status == JobStatus.COMPLETED,
        JOB.c.output.is_(sa.null()),
        JOB.c.output_failure.is_(sa.null()),
        JOB.c.deleted_at.is_(None),
    )


def _over_live_scenes(column: sa.ColumnElement[float], condition: Condition) -> sa.ScalarSelect[float]:
    """Return the sum of a column over the live scenes of a job that meet the condition."""
    total = sa.select(sa.func.coalesce(sa.func.sum(column), 0.0))
    return total.where(SCENE.c.job_id == JOB.c.id, SCENE.c.deleted_at.is_(None), condition).scalar_subquery()


def _jobs_by_id(kind: Kind, scope: Scope, *, one: bool) -> tuple[Condition, Condition]:
    """Return the conditions of jobs by id, which SQLite must not look for among all jobs of their owner."""
    return among(kind, JOB.c.id, "ids", one=one), within(scope, owner_id=without_index(kind, JOB.c.owner_id))


def _progress_sources(kind: Kind) -> dict[str, Column]:
    # By the index of all statuses, SQLite would read the processing scenes of every job.
    status = without_index(kind, SCENE.c.status)
    computed: dict[str, Column] = {
        "job_id": JOB.c.id,
        "high_water": _over_live_scenes(SCENE.c.high_water, status != SceneStatus.COMPLETED),
        "under_way": _over_live_scenes(SCENE.c.percentage, status == SceneStatus.PROCESSING),
        "awaiting_assembly": awaits_assembly(),
    }
    return columns_by_name(JOB, [field for field in ProgressSnapshot._fields if field not in computed]) | computed
