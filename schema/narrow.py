"""Narrow reads of an operation: rows of only the selected columns, with values as the database driver returns them.

They serve compiled operations (`execution.relations`). As in the loaders, a row that was read is kept for the current
snapshot, and what a stream observes is shown to it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple, cast

from models.db.rows import JobRow, SceneRow, TakeRow
from models.db.snapshot import Snapshot
from models.db.statements import SHAPES, Kind, Row, Statement, rows_of
from models.domain.access import Viewer
from models.domain.ids import Prefix, is_id
from models.domain.paging import Page
from models.domain.progress import ProgressSnapshot
from models.reads import shapes
from models.reads.listing import SceneQuery, Source, narrow_scenes_of_jobs
from models.reads.shapes import Columns

Observe = Callable[[Iterable[object]], None]


class ById(NamedTuple):
    """A kind of rows that are read by id."""

    row: type[Any]
    prefix: Prefix
    shape: Callable[..., Statement]


JOBS = ById(JobRow, "job", shapes.jobs)
SCENES = ById(SceneRow, "scene", shapes.scenes)
PROGRESS = "progress"
TAKES = ById(TakeRow, "take", shapes.takes)


class Narrow:
    """The narrow reads of one operation. While there are `observers`, they are shown ordinary rows."""

    def __init__(self, snapshot: Snapshot, viewer: Viewer, observers: Sequence[Observe]) -> None:
        self.source = Source(snapshot.kind, snapshot.fetch, snapshot.counts)
        self._snapshot = snapshot
        self._viewer = viewer
        self._observers = observers
        self._number = snapshot.number
        self._read: dict[tuple[str, Columns], dict[str, Row | None]] = {}

    def forget(self) -> None:
        """Release what was read."""
        self._read = {}

    async def by_id(
        self, what: ById, ids: Sequence[str], columns: Columns, *, is_only_read: bool = False
    ) -> list[Row | None]:
        """Return the row of each id; None for those that do not exist or are not visible.

        `is_only_read` promises that the answer reads nothing else.
        """
        known = self._known(what.prefix, columns)
        missing = [each for each in dict.fromkeys(ids) if each not in known and is_id(each, what.prefix)]
        if missing:
            found = await self._found(what, missing, columns, is_only_read=is_only_read)
            known = known if self._number == self._snapshot.number else {}
            known.update(found)
            for each in missing:
                known.setdefault(each, None)
        return [known.get(each) for each in ids]

    async def progress(self, job_ids: Sequence[str]) -> list[ProgressSnapshot | None]:
        """Return the progress of each job; None for those that do not exist or are not visible."""
        known = self._known(PROGRESS, ())
        missing = [each for each in dict.fromkeys(job_ids) if each not in known and is_id(each, "job")]
        if missing:
            statement = shapes.progress(self.source.kind, shapes.scope_of(self._viewer), one=len(missing) == 1)
            raw = await self.source.fetch(statement, {"ids": missing, "viewer": self._viewer.reads_as})
            found = rows_of(ProgressSnapshot, statement, raw)
            self._show(found)
            known = known if self._number == self._snapshot.number else {}
            known.update({each.job_id: each for each in found})
        return [cast("ProgressSnapshot | None", known.get(each)) for each in job_ids]

    async def scenes_of_jobs(self, job_ids: Sequence[str], query: SceneQuery, columns: Columns) -> dict[str, Page[Row]]:
        """Return the page of scenes of each job, as `narrow_scenes_of_jobs` does; the jobs must be visible."""
        if not self._observers:
            return await narrow_scenes_of_jobs(self.source, job_ids, query, columns)
        pages = await narrow_scenes_of_jobs(self.source, job_ids, query, SceneRow._fields)
        statement = shapes.scenes(self.source.kind, shapes.scope_of(self._viewer), one=True)
        self._show(rows_of(SceneRow, statement, [row for page in pages.values() for row in page.items]))
        pick = itemgetter(*map(SceneRow._fields.index, columns))
        return {each: replace(page, items=[pick(row) for row in page.items]) for each, page in pages.items()}

    def _known(self, what: str, columns: Columns) -> dict[str, Row | None]:
        """Return what was read in the current snapshot, with these columns."""
        if not self._snapshot.answering_now:
            return {}
        if self._number != self._snapshot.number:
            self._read.clear()
            self._number = self._snapshot.number
        return self._read.setdefault((what, columns), {})

    async def _found(self, what: ById, ids: list[str], columns: Columns, *, is_only_read: bool) -> dict[str, Row]:
        observed, scope = bool(self._observers), shapes.scope_of(self._viewer)
        read = _read_of(what, self.source.kind, scope, len(ids) == 1, what.row._fields if observed else columns)
        statement, selected, id_at = read
        if is_only_read and not observed:
            found = await self._snapshot.fetch_alone_by_id(statement, ids, {"viewer": self._viewer.reads_as}, id_at)
            return {each: found[each] for each in ids if each in found}
        rows = await self._snapshot.fetch(statement, {"ids": ids, "viewer": self._viewer.reads_as})
        if observed:
            self._show(rows_of(what.row, statement, rows))
            rows = narrowed(rows, selected, columns)
            return dict(zip([str(row[-1]) for row in rows], rows, strict=True))
        return {row[id_at]: row for row in rows}

    def _show(self, rows: Sequence[object]) -> None:
        for observer in self._observers:
            observer(rows)


class _Read(NamedTuple):
    """How rows are read by id: the statement, the columns that it selects, and which of them is the id."""

    statement: Statement
    selected: Columns
    id_at: int


@lru_cache(SHAPES)
def _read_of(what: ById, kind: Kind, scope: shapes.Scope, one: bool, columns: Columns) -> _Read:
    """Return the statement for these columns and the id."""
    selected = with_columns(columns, "id")
    return _Read(what.shape(kind, scope, one=one, columns=selected), selected, selected.index("id"))


def with_columns(columns: Columns, *needed: str) -> Columns:
    """Return the columns, and behind them those of `needed` that are missing."""
    return (*columns, *(each for each in needed if each not in columns))


def narrowed(rows: Sequence[Row], selected: Columns, columns: Columns) -> list[Row]:
    """Return the given columns of rows that have more, and their ids behind them."""
    pick = itemgetter(*(selected.index(each) for each in (*columns, "id")))
    return [pick(row) if columns else (pick(row),) for row in rows]
