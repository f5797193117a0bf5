"""The statements of answers: as few as levels, and no transaction around one that is alone."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from copy import copy
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from starlette.requests import HTTPConnection

from execution.sites import Run
from models.db.database import Database
from models.db.snapshot import Snapshot
from models.domain.access import LOCAL
from models.writes.store import Store
from schema.context import Context
from schema.loaders import Loaders
from schema.narrow import Narrow
from server.graphql.compiling import compiled_operations, schema_of
from server.transports.execution import Executor
from server.transports.limits import TransportLimits
from tests.support import jobs
from tests.support.both_paths import answer, compiled_count
from tests.support.server_app import App, running
from tests.support.statements import recorded_reads

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

PROGRESS = "progress { total processing percentage currentStage stageLabel version updatedAt }"
LEVELS = {
    "job": (1, "query($job: ID!) { job(id: $job) { title metadata createdAt } }"),
    "job with progress": (1, f"query($job: ID!) {{ job(id: $job) {{ id status {PROGRESS} p: {PROGRESS} }} }}"),
    "unknown job": (1, f'{{ __typename job(id: "job_00000000000000000000000000") {{ {PROGRESS} }} }}'),
    "scene": (1, "query($scene: ID!) { scene(id: $scene) { title status } }"),
    "jobs": (1, "{ jobs(first: 1) { nodes { title } edges { cursor } pageInfo { hasNextPage endCursor } } }"),
    "jobs behind a cursor": (2, "query($cursor: String!) { jobs(after: $cursor) { nodes { title } } }"),
    "jobs with progress": (2, f"{{ jobs {{ nodes {{ {PROGRESS} }} }} }}"),
    "jobs with scenes": (2, "{ jobs { nodes { title scenes { nodes { title status } } } } }"),
    "counted jobs": (2, "{ jobs { nodes { title } totalCount } }"),
    "job of a scene": (2, f"query($scene: ID!) {{ scene(id: $scene) {{ id job {{ title {PROGRESS} }} }} }}"),
    "two jobs": (2, "query($job: ID!) { a: job(id: $job) { title } b: job(id: $job) { status } }"),
    "job with ETA": (5, "query($job: ID!) { job(id: $job) { progress { etaSeconds } } }"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server."""
    async with running(tmp_path_factory.mktemp("statements"), renders=False) as app:
        yield app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(app: App) -> AsyncGenerator[Store]:
    """The store of the server with connections of its own, so that only the test uses them."""
    store = copy(app.container.store)
    store.database = Database(app.container.settings.database_url)
    yield store
    await store.database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def variables(app: App) -> dict[str, Any]:
    """The ids of a job and of its scene, and a cursor."""
    made = await jobs.make(app, jobs.scene(), jobs.scene(), title="A job", provider="external")
    found = await app.execute("{ jobs { edges { cursor } } }")
    return {"job": made.id, "scene": made.scenes[0], "cursor": found["jobs"]["edges"][0]["cursor"]}


def executor_of(app: App, store: Store) -> Executor:
    """Return an executor that keeps no answers and reads from this store."""

    async def context(_: HTTPConnection) -> Context:
        return replace(app.container.context(LOCAL), store=store)

    settings = app.container.settings.model_copy(update={"fragment_cache_bytes": 0})
    return Executor(schema_of(settings), context, TransportLimits(), compiled=compiled_operations(settings))


@pytest.mark.parametrize("name", LEVELS)
async def test_answer_has_one_statement_for_each_level(
    app: App, store: Store, variables: dict[str, Any], name: str
) -> None:
    """Only one that has several needs a transaction to show one moment."""
    count, text = LEVELS[name]
    executor = executor_of(app, store)
    used = {key: value for key, value in variables.items() if f"${key}:" in text}
    async with recorded_reads(store.database, also="BEGIN") as texts:
        (answered,) = await answer(executor, text, used)
        # asyncpg logs a statement in the next pass of the event loop.
        await asyncio.sleep(0)
    assert (b"errors" in answered, compiled_count(executor)) == (False, 1)
    selects = [each for each in texts if not each.startswith("BEGIN")]
    print(*texts, sep="\n  ")  # noqa: T201 # shown when the test fails
    assert len(selects) == count
    assert len(texts) - len(selects) == (0 if count == 1 else 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["job with progress", "jobs with scenes", "jobs with progress", "job of a scene"])
async def test_answer_leaves_nothing_to_the_garbage_collector(
    app: App, store: Store, variables: dict[str, Any], name: str
) -> None:
    """Its objects refer to each other in one direction: collections would cost more than short answers."""
    _, text = LEVELS[name]
    executor = executor_of(app, store)
    used = {key: value for key, value in variables.items() if f"${key}:" in text}
    await answer(executor, text, used)
    gc.collect()
    gc.disable()
    try:
        await answer(executor, text, used)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found = [each for each in gc.garbage if isinstance(each, Context | Snapshot | Loaders | Narrow | Run)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert found == []
