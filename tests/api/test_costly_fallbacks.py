"""Costly queries that graphql-core has to answer: they are charged for the time that this takes, and give way."""

import asyncio
import gc
import logging
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from starlette.requests import HTTPConnection

from models.domain.access import LOCAL
from schema.context import Context
from server.graphql.compiling import compiled_operations, schema_of
from server.transports.documents.document_limiter import DocumentLimiter
from server.transports.documents.params import Params
from server.transports.execution import COST_FACTOR, COSTLY, Executor
from server.transports.limits import TransportLimits
from tests.support import jobs
from tests.support.both_paths import CONNECTION
from tests.support.client import Client
from tests.support.server_app import App, running
from tests.support.tokens import production_server

LIST = "jobs(first: 30) { nodes { scenes(first: 40) { nodes { id } } } }"
COST = 1 + 30 * (1 + 1 + 40)
REFUSED_PAGE = "... on Job { scenes(first: 101) { nodes { id } } }"


async def codes(client: Client, query: str) -> list[str]:
    """Return the codes of the errors of an answer."""
    answer = await client.http.post("/graphql", json={"query": query})
    return [error["extensions"]["code"] for error in answer.json().get("errors", [])]


async def test_costly_query_that_graphql_core_answers_is_charged_for_its_time(tmp_path: Path) -> None:
    """An error in one field makes graphql-core answer; the same list without it is charged once."""
    assert COSTLY < COST
    async with production_server(tmp_path, limit_cost_a_minute=COST * COST_FACTOR, compiled_execution=True) as server:
        amy, ben = server.user("amy"), server.user("ben")
        job = await jobs.make(amy, jobs.scene())
        failing = f'{{ {LIST} node(id: "{job.id}") {{ {REFUSED_PAGE} }} }}'
        assert await codes(amy, failing) == ["RATE_LIMITED"]
        for _ in range(COST_FACTOR - 1):
            assert await codes(ben, f"{{ {LIST} }}") == []


async def test_costly_invalid_query_is_charged_once(tmp_path: Path) -> None:
    """Nothing of it is executed, and its errors are answered."""
    async with production_server(tmp_path, limit_cost_a_minute=COST * 3) as server:
        amy = server.user("amy")
        assert await codes(amy, f"{{ {LIST} nonsense }}") == ["GRAPHQL_VALIDATION_FAILED"]
        assert await codes(amy, f"query($id: ID!) {{ {LIST} job(id: $id) {{ id }} }}") == ["BAD_USER_INPUT"]


@pytest_asyncio.fixture
async def with_long_lists(tmp_path: Path) -> AsyncGenerator[App]:
    """A server with jobs of many scenes and events."""
    async with running(tmp_path) as app:
        for _ in range(20):
            made = await jobs.make(app, *[jobs.scene() for _ in range(50)])
            scenes = [{"sceneId": scene_id, "title": "B"} for scene_id in made.scenes]
            await jobs.change(app, "updateScenes", jobId=made.id, scenes=scenes)
        yield app


SELECTIONS = {
    "scenes": "scenes(first: 50) { nodes { id title prompt status version createdAt updatedAt } }",
    "events": "events(first: 50) { version type jobId sceneId occurredAt actorId changed }",
}


@pytest.mark.parametrize("selection", SELECTIONS.values(), ids=SELECTIONS)
async def test_long_lists_of_graphql_core_give_way_to_others(
    with_long_lists: App, selection: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Lists with pages of usual sizes do not occupy the event loop for most of the answer's time."""
    caplog.set_level(logging.CRITICAL)
    container = with_long_lists.container
    schema = schema_of(container.settings)

    async def context(_: HTTPConnection) -> Context:
        return container.context(LOCAL)

    executor = Executor(
        schema,
        context,
        TransportLimits(),
        DocumentLimiter(schema.core, container.settings.document_limits),
        compiled=compiled_operations(container.settings),
    )
    params = Params(f"{{ jobs(first: 20) {{ nodes {{ {selection} }} }} __schema {{ queryType {{ name }} }} }}")
    _, admitted = executor.admit(params, CONNECTION)
    answering = asyncio.create_task(executor.execute(params, CONNECTION, admitted))
    spent = await turns(answering)
    assert (await answering).errors is None
    assert max(spent) < sum(sorted(spent)[-20:]) / 2


async def turns(task: asyncio.Task[Any]) -> list[float]:
    """Return the CPU seconds between two turns of this task while another is not done, without garbage collection."""
    spent, last = list[float](), time.thread_time()
    gc.disable()
    try:
        while not task.done():
            await asyncio.sleep(0)
            spent.append((now := time.thread_time()) - last)
            last = now
    finally:
        gc.enable()
    return spent
