"""How the fields that lead to jobs, scenes, takes and events are read for all objects of a level at once.

The values are those of the fields' resolvers, which execute the same operations field by field.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from execution.relations import RELATION, Load, Relation, Selected
from models.db.statements import Row
from models.domain import paging
from models.domain.paging import Page
from models.reads import shapes
from schema.context import Context
from schema.narrow import ById, with_columns
from schema.nodes import PageInfo, page_info

Parents = Sequence[tuple[Any, ...]]
Arguments = Mapping[str, Any]


def relation(
    needs: tuple[str, ...], load: Load, row: type[Any] | None = None, *rows_at: str, computes: bool = False
) -> dict[object, object]:
    """Return the metadata of a field; see `Relation`."""
    return {RELATION: Relation(needs, load, rows_at, row, is_table=True, computes=computes)}


async def rows(context: Context, what: ById, ids: Sequence[str | None], selected: Selected) -> list[Any]:
    """Return the row of each id, narrow if it can be; None for no id, or when it does not exist or is not visible."""
    asked = [each for each in ids if each is not None]
    if selected.columns:
        found = await context.loaders.narrow.by_id(what, asked, selected.columns, is_only_read=selected.is_only_read)
    else:
        found = await getattr(context.loaders, what.prefix).load_many(asked)
    if len(asked) == len(ids):
        return found
    by_id = dict(zip(asked, found, strict=True))
    return [None if each is None else by_id[each] for each in ids]


def by_id(what: ById, missing: Callable[[str], Exception] | None = None) -> Load:
    """Return how the object with the id in a column is read. `missing` makes the error for one that is gone."""

    async def load(context: Context, parents: Parents, _arguments: Arguments, selected: Selected) -> Sequence[Any]:
        found = await rows(context, what, [each for (each,) in parents], selected)
        if missing is not None and None in found:
            raise missing(parents[found.index(None)][0])
        return found

    return load


def by_argument(what: ById) -> Load:
    """Return how the object with the id in the argument `id` of a root field is read."""

    async def load(context: Context, parents: Parents, arguments: Arguments, selected: Selected) -> Sequence[Any]:
        return await rows(context, what, [arguments["id"]] * len(parents), selected)

    return load


def progress(missing: Callable[[str], Exception]) -> Load:
    """Return how the progress of the job with the id in a column is read."""

    async def load(context: Context, parents: Parents, _arguments: Arguments, _selected: Selected) -> Sequence[Any]:
        found = await context.loaders.narrow.progress([job_id for (job_id,) in parents])
        if None in found:
            raise missing(parents[found.index(None)][0])
        return found

    return load


async def load_takes(context: Context, parents: Parents, arguments: Arguments, selected: Selected) -> Sequence[Any]:
    """Read `Scene.takes`."""
    first: int = arguments.get("first", 20)
    paging.window(first=first, after=None, last=None, before=None)
    ids = [scene_id for (scene_id,) in parents]
    if not selected.columns:
        return await context.loaders.takes.load_many([(each, first) for each in ids])
    columns = with_columns(selected.columns, "scene_id")
    source = context.loaders.narrow.source
    statement = shapes.takes_of_scenes(source.kind, one=len(ids) == 1, columns=columns)
    found = await source.fetch(statement, {"ids": ids, "limit": first})
    return _grouped(found, columns.index("scene_id"), ids)


async def narrow_events(
    context: Context, ids: Sequence[str], after: int, limit: int, columns: tuple[str, ...]
) -> Sequence[Any]:
    """Return the first events after a version of each of these jobs."""
    columns = with_columns(columns, "job_id")
    source = context.loaders.narrow.source
    statement = shapes.events(source.kind, one=len(ids) == 1, columns=columns)
    found = await source.fetch(statement, {"ids": ids, "after": after, "limit": limit})
    return _grouped(found, columns.index("job_id"), ids)


async def load_queue_positions(
    context: Context, parents: Parents, _arguments: Arguments, _selected: Selected
) -> Sequence[Any]:
    """Read `Scene.queuePosition`; only scenes that wait for a worker have one."""
    waiting = [scene_id for scene_id, status, queued_at in parents if status == "PENDING" and queued_at is not None]
    if not waiting:
        return [None] * len(parents)
    found = dict(zip(waiting, await context.loaders.queue_position.load_many(waiting), strict=True))
    return [found.get(scene_id) for scene_id, _, _ in parents]


async def load_waiting_for(
    context: Context, parents: Parents, _arguments: Arguments, _selected: Selected
) -> Sequence[Any]:
    """Read `Scene.waitingFor`; only scenes that wait for a worker have one."""
    waiting = [scene_id for scene_id, status, queued_at in parents if status == "PENDING" and queued_at is not None]
    if not waiting:
        return [None] * len(parents)
    found = dict(zip(waiting, await context.loaders.waiting_for.load_many(waiting), strict=True))
    return [found.get(scene_id) for scene_id, _, _ in parents]


def _grouped(found: Sequence[Row], key: int, ids: Sequence[str]) -> list[list[Row]]:
    """Return the rows of each id."""
    groups: dict[str, list[Row]] = {each: [] for each in ids}
    for row in found:
        groups[row[key]].append(row)
    return [groups[each] for each in ids]


class LazyEdge:
    """An edge that encodes its cursor when it is asked for; stands in for the edge types of the schema."""

    __slots__ = ("_key", "node")

    def __init__(self, node: Any, key: Callable[[Any], Sequence[str]]) -> None:
        self.node = node
        self._key = key

    @property
    def cursor(self) -> str:
        """The cursor of the node."""
        return paging.encode(self._key(self.node))


class LazyConnection:
    """A page that makes what is selected of it; stands in for the connection types of the schema."""

    __slots__ = ("_key", "_page", "query")

    def __init__(self, page: Page[Any], key: Callable[[Any], Sequence[str]], query: Any) -> None:
        self._page = page
        self._key = key
        self.query = query

    @property
    def nodes(self) -> Sequence[Any]:
        """The rows of the page."""
        return self._page.items

    @property
    def edges(self) -> list[LazyEdge]:
        """The rows of the page with their cursors."""
        return [LazyEdge(row, self._key) for row in self._page.items]

    @property
    def page_info(self) -> PageInfo:
        """The position of the page; cursors of its first and last row."""
        items = self._page.items
        ends = [paging.encode(self._key(row)) for row in (items[0], items[-1])] if items else []
        return page_info(self._page, ends)
