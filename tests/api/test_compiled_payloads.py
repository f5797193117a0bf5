"""Payloads of mutations are made by plans, show their own commit, and equal what graphql-core reads afterwards."""

from typing import Any

import orjson
import pytest
from starlette.requests import HTTPConnection

from models.domain.access import LOCAL
from schema.context import Context
from server.graphql.compiling import compiled_operations, schema_of
from server.transports.documents.params import Params
from server.transports.execution import Executor
from server.transports.limits import TransportLimits
from tests.support import jobs
from tests.support.both_paths import CONNECTION, compiled_count, left
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

JOB = """
fragment J on Job { __typename id title status version metadata createdAt updatedAt startedAt progress { total version }
    scenes(includeDeleted: true) { totalCount pageInfo { endCursor } edges { cursor node { ...S } } }
    events(first: 3) { version type changed } }
fragment S on Scene { id position title prompt status version deletedAt availableActions allowedTransitions
    output { url contentType } failure { code } takes { number status } currentTake { reason } }
"""
ERRORS = "errors { __typename code message path ... on NotFoundError { id } ... on StateError { from to allowed } }"


async def executors(app: App) -> tuple[Executor, Executor]:
    """Return the executor with compiled operations and the one without, on the same server."""
    container = app.container
    schema = schema_of(container.settings)

    async def context(_: HTTPConnection) -> Context:
        return container.context(LOCAL)

    compiled = Executor(schema, context, TransportLimits(), compiled=compiled_operations(container.settings))
    return compiled, Executor(schema, context, TransportLimits())


async def data(executor: Executor, text: str, **variables: Any) -> dict[str, Any]:
    """Return the data of an operation without errors."""
    params = Params(text, variables=variables)
    _, admitted = executor.admit(params, CONNECTION)
    result = await executor.execute(params, CONNECTION, admitted)
    assert not result.errors
    assert result.data is not None
    return result.data


def mutation(name: str, kind: str) -> str:
    """Return the document of a mutation with its whole payload."""
    return f"mutation($input: {kind}!) {{ {name}(input: $input) {{ job {{ ...J }} {ERRORS} }} }} {JOB}"


async def test_payload_equals_what_is_read_afterwards(shared: App) -> None:
    """To the byte, after every kind of change; all of them are compiled."""
    compiled, plain = await executors(shared)
    made = await jobs.make(shared, jobs.scene(), jobs.scene(), jobs.scene(), provider="external")
    first, second, third = made.scenes
    changes = [
        ("updateJob", "UpdateJobInput", {"jobId": made.id, "title": "New", "metadata": {"a": [1, None]}}),
        ("updateScene", "UpdateSceneInput", {"sceneId": first, "prompt": "Fog"}),
        ("moveScene", "MoveSceneInput", {"sceneId": third, "position": 0}),
        ("deleteScene", "SceneActionInput", {"sceneId": second}),
        ("restoreScene", "SceneActionInput", {"sceneId": second}),
        ("startJob", "JobActionInput", {"jobId": made.id}),
        ("updateScene", "UpdateSceneInput", {"sceneId": first, "status": "FAILED"}),
        ("cancelJob", "JobActionInput", {"jobId": made.id}),
        ("deleteJob", "JobActionInput", {"jobId": made.id}),
    ]
    for name, kind, fields in changes:
        payload = (await data(compiled, mutation(name, kind), input=fields))[name]
        assert payload["errors"] == [], name
        read = await data(plain, f"query($id: ID!) {{ job(id: $id) {{ ...J }} }} {JOB}", id=made.id)
        assert orjson.dumps(payload["job"]) == orjson.dumps(read["job"]), name
    assert (compiled_count(compiled), left(compiled)) == (len(changes), {})


async def test_refused_mutation_has_the_same_payload_on_both_paths(shared: App) -> None:
    """A refusal is data, so it is compiled."""
    compiled, plain = await executors(shared)
    made = await jobs.make(shared, provider="external")
    refused = [
        ("updateJob", "UpdateJobInput", {"jobId": "job_01h455vb4pex5vsknk084sn02q", "title": "New"}),
        ("updateJob", "UpdateJobInput", {"jobId": made.id, "title": ""}),
        ("restoreJob", "JobActionInput", {"jobId": made.id}),
    ]
    for name, kind, fields in refused:
        text = mutation(name, kind)
        found = await data(compiled, text, input=fields)
        assert found[name]["errors"]
        assert orjson.dumps(found) == orjson.dumps(await data(plain, text, input=fields))
    assert (compiled_count(compiled), left(compiled)) == (len(refused), {})
