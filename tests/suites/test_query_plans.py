"""The plans of SQLite for lists: an index has the order of each page, so a page costs the same in a large database."""

import re
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import sqlite

from coordinator.renders import silent_takes
from models.db.database import Database
from models.db.recent import Recent
from models.db.statements import Row, Statement, Values
from models.domain.access import EXTERNAL
from models.reads import eta, list_shapes, moving, scene_shapes, shapes
from models.reads.list_plans import Source
from models.reads.list_shapes import JobListShape, JobOrderField
from models.reads.narrowing import Narrowing
from models.reads.scene_shapes import SceneListShape
from models.reads.shapes import Scope
from tests.support.migrated_file import create_migrated

ORDERS = list(product(Scope, JobOrderField, (True, False), (True, False)))


@pytest.fixture
async def file(tmp_path: Path) -> AsyncGenerator[Database]:
    """An empty file."""
    create_migrated(tmp_path)
    file = Database(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    yield file
    await file.close()


async def plan(file: Database, text: str) -> str:
    """Return the steps of the plan of a statement.

    SQLite plans by the values of parameters too: that of a provider can show that a partial index has the rows.
    """
    async with file.read() as connection:
        found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", (EXTERNAL,) * text.count("?"))
        return "; ".join(str(step) for step in found.scalars(3))


@pytest.mark.parametrize(("scope", "order", "descending", "after"), ORDERS)
async def test_page_of_jobs_is_read_in_the_order_of_an_index(
    file: Database, scope: Scope, order: JobOrderField, descending: bool, after: bool
) -> None:
    """For every scope, order, direction and cursor."""
    shape = JobListShape(scope, order, descending, False, True, after, False, None, False, False, False, 0)
    steps = await plan(file, list_shapes.jobs("sqlite", shape, columns=("id", "title", "status")).text)
    assert "INDEX ix_job_" in steps
    assert "TEMP B-TREE" not in steps


@pytest.mark.parametrize("order", list(JobOrderField))
async def test_page_of_jobs_of_a_token_begins_with_the_jobs_that_it_names(file: Database, order: JobOrderField) -> None:
    """Not with all jobs in the order of the list."""
    shape = JobListShape(Scope.TOKEN, order, True, False, True, False, False, None, False, False, False, 0)
    shape = shape._replace(narrowed=Narrowing.TOKEN)
    for statement in (
        list_shapes.jobs("sqlite", shape, columns=("id", "title", "status")),
        list_shapes.jobs_count("sqlite", shape),
    ):
        steps = await plan(file, statement.text)
        assert "SEARCH job USING INDEX sqlite_autoindex_job_1 (id=?)" in steps
        assert "SEARCH accesstokenjob USING" in steps
        assert "SCAN" not in steps


async def plan_of_worker(file: Database, statuses: Literal["one", "many"] | None, *, owner: bool) -> str:
    """Return the steps of the plan of a worker's page, which few jobs are left for."""
    shape = JobListShape(
        Scope.WORKER, JobOrderField.CREATED_AT, True, False, True, False, False, statuses, owner, False, False, 0
    )
    found = list_shapes.jobs("sqlite", shape._replace(narrowed=Narrowing.WORKER), columns=("id", "title"))
    return await plan(file, found.text)


@pytest.mark.parametrize("statuses", [None, "one", "many"])
async def test_page_of_the_reported_jobs_of_an_owner_begins_with_them(
    file: Database, statuses: Literal["one", "many"] | None
) -> None:
    """A worker that filters by another owner reads no job of this owner that it may not see."""
    steps = await plan_of_worker(file, statuses, owner=True)
    assert "SEARCH job USING INDEX sqlite_autoindex_job_1 (id=?)" in steps
    assert "USING COVERING INDEX ix_job_reported_owner (provider=? AND deleted_at=? AND owner_id=?" in steps
    assert "SCAN found" not in steps


@pytest.mark.parametrize("statuses", ["one", "many"])
async def test_page_of_the_jobs_of_a_worker_with_a_rare_status_begins_with_them(
    file: Database, statuses: Literal["one", "many"]
) -> None:
    """Not with all jobs that have this status, most of which it may not see."""
    steps = await plan_of_worker(file, statuses, owner=False)
    assert "SEARCH job USING INDEX sqlite_autoindex_job_1 (id=?)" in steps
    assert "USING COVERING INDEX ix_job_reported (provider=? AND deleted_at=? AND status=?)" in steps
    assert "USING COVERING INDEX ix_job_owner_status (owner_id=? AND status=?)" in steps


@pytest.mark.parametrize("statuses", [None, "one", "many"])
@pytest.mark.parametrize("limited", [True, False])
@pytest.mark.parametrize("one", [True, False])
async def test_scenes_of_jobs_are_found_by_an_index(
    file: Database, one: bool, limited: bool, statuses: Literal["one", "many"] | None
) -> None:
    """No other job's scenes are read, whatever their status."""
    shape = SceneListShape(one, False, limited, False, False, statuses, False)
    steps = await plan(file, scene_shapes.scenes("sqlite", shape, columns=("job_id", "position", "id")).text)
    assert "USING INDEX ix_scene_job_position (job_id=?)" in steps
    assert "SCAN scene" not in steps


@pytest.mark.parametrize("one", [True, False])
# A constant condition ends a statement in the scope NONE before it reads anything.
@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.NONE])
async def test_rows_are_found_by_id(file: Database, scope: Scope, one: bool) -> None:
    """Jobs with their progress, scenes, takes and events."""
    for statement in (
        shapes.jobs("sqlite", scope, one=one),
        shapes.scenes("sqlite", scope, one=one),
        shapes.takes("sqlite", scope, one=one),
        shapes.progress("sqlite", scope, one=one),
        shapes.takes_of_scenes("sqlite", one=one),
        shapes.events("sqlite", one=one),
        shapes.heads("sqlite", one=one),
        shapes.running("sqlite", one=one),
    ):
        steps = await plan(file, statement.text)
        assert "SEARCH" in steps
        assert not any(f"SCAN {table}" in steps for table in ("job", "scene", "take", "event"))
        # Whatever else is in an index, such as owners and statuses, many rows have in common.
        assert not re.search("SEARCH .* ix_(job|scene_queue)", steps)


@pytest.mark.parametrize("jobs", [1, 2])
async def test_what_moves_in_jobs_is_found_by_an_index(file: Database, jobs: int) -> None:
    """Not among the processing scenes of every job."""
    texts: list[str] = []

    async def fetch(statement: Statement, _values: Values) -> list[Row]:
        texts.append(statement.text)
        return []

    await moving.moving(Source("sqlite", fetch, Recent()), ["job"] * jobs)
    (text,) = texts
    steps = await plan(file, text)
    assert "SEARCH scene USING INDEX ix_scene_job_position (job_id=?)" in steps
    assert "ix_scene_queue" not in steps


async def test_running_takes_of_a_job_are_found_by_an_index(file: Database) -> None:
    """For its estimate: not among the processing scenes of every job, which external workers make many."""
    texts: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        texts.append(statement)

    async with file.read() as connection:
        event.listen(connection.sync_engine, "before_cursor_execute", note)
        try:
            await eta.eta_inputs(connection, ["job"])
        finally:
            event.remove(connection.sync_engine, "before_cursor_execute", note)
    (text,) = [text for text in texts if "leased_by" in text]
    steps = await plan(file, text)
    assert "SEARCH scene USING INDEX ix_scene_leased (status=?)" in steps
    assert "SEARCH scene USING INDEX ix_scene_job_position (job_id=?)" in steps
    assert "ix_scene_queue" not in steps


@pytest.mark.parametrize("select", [silent_takes.silent_since, silent_takes.reported_after])
async def test_silent_takes_are_found_by_the_instant_of_their_reports(
    file: Database, select: Callable[[datetime], sa.Select[Any]]
) -> None:
    """However many scenes are open, only those that are due are read."""
    compiled = select(datetime.now(UTC)).compile(dialect=sqlite.dialect(), compile_kwargs={"render_postcompile": True})
    steps = await plan(file, str(compiled))
    assert "SEARCH scene USING INDEX ix_scene_reported (reported_at" in steps
    assert "SCAN" not in steps
    assert "TEMP B-TREE" not in steps
