"""Filtered, paginated lists: the jobs of a viewer, and the scenes of a job."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any, TypeVar

from models.db.database import Connection
from models.db.readers import fetch, fetch_rows
from models.db.recent import Recent
from models.db.rows import JobRow, SceneRow
from models.db.statements import Row, Statement, Values, rows_of, utc
from models.domain.access import Viewer
from models.domain.folding import search_patterns
from models.domain.lifecycle import JobStatus, SceneStatus
from models.domain.paging import Beyond, Page, Window, page
from models.reads import list_plans, list_shapes, scene_shapes, shapes
from models.reads.cursors import SCENE_ORDER, job_position, scene_position
from models.reads.list_plans import Source
from models.reads.list_shapes import JobListShape, JobOrderField
from models.reads.narrowing import Narrowing, globbed, is_indexed
from models.reads.scene_shapes import SceneListShape
from models.reads.shapes import Columns, Scope

__all__ = ["JobOrderField"]

S = TypeVar("S", bound=Sequence[Any])

# The columns by which scenes are grouped and ordered.
SCENE_KEY: Columns = ("job_id", "position", "id")

NOTHING_BEYOND = Beyond()


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
    source, values = _source(connection), _values(viewer, query, window)
    shape = await list_plans.planned(source, _shape(viewer, query, window), values)
    statement = list_shapes.jobs(source.kind, shape, columns=JobRow._fields)
    found = rows_of(JobRow, statement, await source.fetch(statement, values))
    return page(found, window, await _beyond(source, shape, values))


async def narrow_jobs_page(
    source: Source, viewer: Viewer, query: JobQuery, window: Window, columns: Columns
) -> Page[Row]:
    """Return one page of the jobs that match the query: of each job these columns, as the driver returns them."""
    values = _values(viewer, query, window)
    shape = await list_plans.planned(source, _shape(viewer, query, window), values)
    found = await source.fetch(list_shapes.jobs(source.kind, shape, columns=columns), values)
    return page(found, window, await _beyond(source, shape, values))


async def jobs_count(connection: Connection, viewer: Viewer, query: JobQuery) -> int:
    """Return the number of jobs that match the query."""
    source, shape, values = _source(connection), _shape(viewer, query), _values(viewer, query)
    if query.search or query.updated_since or shape.scope in (Scope.TOKEN, Scope.NONE):
        shape = await list_plans.planned(source, shape, values)
        if shape.narrowed is None and shape.since and not shape.patterns:
            # Nothing is sorted, however many there are.
            shape = shape._replace(narrowed=Narrowing.SINCE)
        statement = list_shapes.jobs_count(source.kind, shape)
    else:
        statement = list_shapes.kept_count(source.kind, shape)
    ((count,),) = await source.fetch(statement, values)
    return int(count)


def _source(connection: Connection) -> Source:
    """Return what reads by a connection. It remembers counts as long as the connection is kept."""
    counts: Recent = connection.info.setdefault("counts", Recent())
    return Source(connection.dialect.name, partial(fetch, connection), counts)


async def _beyond(source: Source, shape: JobListShape, values: Values) -> Beyond:
    names = [name for name in ("after", "before") if getattr(shape, name)]
    if not names:
        return Beyond()
    (exist,) = await source.fetch(list_shapes.jobs_beyond(source.kind, shape), values)
    return Beyond(**{name: bool(each) for name, each in zip(names, exist, strict=True)})


async def matching(connection: Connection, viewer: Viewer, query: JobQuery, ids: Sequence[str]) -> list[JobRow]:
    """Return those of these jobs that match the query, ordered by their last change."""
    statement = list_shapes.matching(connection.dialect.name, _shape(viewer, query), one=len(ids) == 1)
    return await fetch_rows(connection, JobRow, statement, {**_values(viewer, query), "ids": ids})


def scene_key(scene: SceneRow) -> tuple[str, str, str]:
    """Return the key of a scene in the play order, for a cursor."""
    return (SCENE_ORDER, str(scene.position), scene.id)


def narrow_scene_key(columns: Columns) -> Callable[[Row], tuple[str, str, str]]:
    """Return `scene_key` for narrow rows with these columns."""
    position, scene_id = columns.index("position"), columns.index("id")
    return lambda row: (SCENE_ORDER, str(row[position]), row[scene_id])


def narrow_job_key(query: JobQuery, columns: Columns) -> Callable[[Row], tuple[str, str, str]]:
    """Return `JobQuery.key` for narrow rows with these columns."""
    name = query.order.value.lower()
    value, job_id = columns.index(name), columns.index("id")
    if query.order is JobOrderField.TITLE:
        return lambda row: (query.order.value, row[value], row[job_id])
    return lambda row: (query.order.value, utc(row[value]).isoformat(), row[job_id])


async def scenes_of_jobs(
    connection: Connection, job_ids: Sequence[str], query: SceneQuery
) -> dict[str, Page[SceneRow]]:
    """Return one page of scenes of each of these jobs; the caller must have checked that the jobs are visible."""
    source = _source(connection)

    async def read(statement: Statement, values: Values) -> list[SceneRow]:
        return await fetch_rows(connection, SceneRow, statement, values)

    return await _scenes(source, read, job_ids, query, SceneRow._fields)


async def narrow_scenes_of_jobs(
    source: Source, job_ids: Sequence[str], query: SceneQuery, columns: Columns
) -> dict[str, Page[Row]]:
    """Return the page of each of these jobs as `scenes_of_jobs`: of each scene these columns, as the driver returns
    them, which must include SCENE_KEY."""
    return await _scenes(source, source.fetch, job_ids, query, columns)


async def _scenes(
    source: Source,
    read: Callable[[Statement, Values], Awaitable[Sequence[S]]],
    job_ids: Sequence[str],
    query: SceneQuery,
    columns: Columns,
) -> dict[str, Page[S]]:
    shape, values = _scene_shape(job_ids, query), _scene_values(job_ids, query)
    found: dict[str, list[S]] = {job_id: [] for job_id in job_ids}
    job_id, group, add = columns.index("job_id"), "", list[S]().append
    for scene in await read(scene_shapes.scenes(source.kind, shape, columns=columns), values):
        # Most scenes follow one of their job, and a comparison costs less than a look-up.
        if scene[job_id] != group:
            group = scene[job_id]
            add = found[group].append
        add(scene)
    if query.window.limit is None:
        # Sorted here, where it costs less: the index has them in the order of their positions, which live scenes do not
        # share.
        position = columns.index("position")
        in_order = itemgetter(position, columns.index("id")) if query.include_deleted else itemgetter(position)
        for scenes in found.values():
            scenes.sort(key=in_order, reverse=query.window.backward)
    beyond: dict[str, set[str]] = {}
    for side in ("after", "before"):
        if getattr(query.window, side) is not None:
            outside = await source.fetch(scene_shapes.scenes_outside(source.kind, shape, side), values)
            beyond[side] = {str(job_id) for (job_id,) in outside}
    if not beyond:
        return {each: page(scenes, query.window, NOTHING_BEYOND) for each, scenes in found.items()}
    return {
        each: page(scenes, query.window, Beyond(**{side: each in jobs for side, jobs in beyond.items()}))
        for each, scenes in found.items()
    }


async def scenes_count(connection: Connection, job_ids: Sequence[str], query: SceneQuery) -> dict[str, int]:
    """Return the number of scenes of each of these jobs that match the query, on all pages."""
    statement = scene_shapes.scenes_count(connection.dialect.name, _scene_shape(job_ids, query))
    found = await fetch(connection, statement, _scene_values(job_ids, query))
    counted = {str(job_id): int(count) for job_id, count in found}
    return {job_id: counted.get(job_id, 0) for job_id in job_ids}


def _shape(viewer: Viewer, query: JobQuery, window: Window | None = None) -> JobListShape:
    scope, owner = shapes.scope_of(viewer), query.owner_id is not None
    if scope is Scope.OWN and owner:
        # Those of another owner are not visible.
        scope, owner = (Scope.OWN, False) if query.owner_id == viewer.reads_as else (Scope.NONE, True)
    return JobListShape(
        scope=scope,
        order=query.order,
        descending=query.descending,
        backward=window is not None and window.backward,
        limited=window is not None and window.limit is not None,
        after=window is not None and window.after is not None,
        before=window is not None and window.before is not None,
        statuses=None if query.status is None else "one" if len(query.status) == 1 else "many",
        owner=owner,
        since=query.updated_since is not None,
        include_deleted=query.include_deleted,
        patterns=len(search_patterns(query.search)) if query.search else 0,
    )


def _values(viewer: Viewer, query: JobQuery, window: Window | None = None) -> Values:
    values: dict[str, Any] = {
        "viewer": viewer.reads_as,
        "statuses": query.status,
        "owner": query.owner_id,
        "since": query.updated_since,
    }
    if query.search:
        patterns = search_patterns(query.search)
        texts = {"lowered": query.search.lower()} | {f"text_{number}": text for number, text in enumerate(patterns)}
        values |= texts | {f"{name}_pattern": contains(text) for name, text in texts.items()}
        for number, pattern in enumerate(patterns if is_indexed(patterns) else ()):
            values |= {f"part_{number}": pattern, f"glob_{number}": globbed(pattern)}
    if window is not None:
        values["limit"] = None if window.limit is None else window.limit + 1
        for side, cursor in (("after", window.after), ("before", window.before)):
            if cursor is not None:
                values[f"{side}_value"], values[f"{side}_id"] = job_position(side, query.order, cursor)
    return values


def contains(text: str) -> str:
    """Return the pattern of LIKE that finds a text, with `list_shapes.ESCAPE`."""
    escape = list_shapes.ESCAPE
    for special in (escape, "%", "_"):
        text = text.replace(special, escape + special)
    return f"%{text}%"


def _scene_shape(job_ids: Sequence[str], query: SceneQuery) -> SceneListShape:
    window = query.window
    return SceneListShape(
        one=len(job_ids) == 1,
        backward=window.backward,
        limited=window.limit is not None,
        after=window.after is not None,
        before=window.before is not None,
        statuses=None if query.status is None else "one" if len(query.status) == 1 else "many",
        include_deleted=query.include_deleted,
    )


def _scene_values(job_ids: Sequence[str], query: SceneQuery) -> Values:
    window = query.window
    values: dict[str, Any] = {
        "ids": job_ids,
        "statuses": query.status,
        "limit": None if window.limit is None else window.limit + 1,
    }
    for side, cursor in (("after", window.after), ("before", window.before)):
        if cursor is not None:
            values[f"{side}_position"], values[f"{side}_id"] = scene_position(side, cursor)
    return values
