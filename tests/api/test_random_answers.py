"""Random documents of the whole API: compiled operations answer as graphql-core does, to the byte.

SCENEWIRE_TEST_EFFORT multiplies the number of documents: `make proof` compares thousands.
"""

import logging
import random
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from execution.deviation import NULL
from models.domain.access import LOCAL
from schema.context import Context
from server.graphql.compiling import compiled_operations, schema_of
from server.transports.execution import Executor
from server.transports.limits import TransportLimits
from tests.support import jobs
from tests.support.both_paths import compare, compiled_count, left
from tests.support.database_choice import database_choice
from tests.support.property_settings import scaled
from tests.support.random_documents import RandomDocuments
from tests.support.server_app import App

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.both_databases,
    # graphql-core does not await all fields beside one that fails; both paths leave such answers to it.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Fields that differ between two answers: they depend on the second in which the answer is made.
OF_THE_MOMENT = frozenset({"Quota.resetAt", "JobProgress.etaSeconds", "Media.url", "Media.expiresAt"})
INTROSPECTION = frozenset({"Query.__schema", "Query.__type"})
DOCUMENTS = 120


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Both paths log the errors of random arguments."""
    caplog.set_level(logging.CRITICAL)


async def values_of(app: App) -> dict[str, list[Any]]:
    """Make jobs in several states; return values for arguments, ids among them."""
    draft = await jobs.make(app, jobs.scene(), jobs.scene(), title="Draft", metadata={"a": [1, None]})
    done = await jobs.make(app, jobs.scene(), jobs.scene(), title="Done", provider="external", start=True)
    for scene_id, status in zip(done.scenes, ("COMPLETED", "FAILED"), strict=True):
        fields: dict[str, Any] = {"status": status}
        if status == "COMPLETED":
            fields["outputUrl"] = "https://example.org/a.mp4"
        else:
            fields["failure"] = {"code": "E", "message": "m"}
        await jobs.change(app, "updateScene", sceneId=scene_id, **fields)
    await jobs.change(app, "deleteScene", sceneId=draft.scenes[1])
    gone = await jobs.make(app, title="Gone")
    await jobs.change(app, "deleteJob", jobId=gone.id)
    ids = [draft.id, done.id, gone.id, *draft.scenes, *done.scenes]
    return {
        "ID": [*ids, *ids, "job_01h455vb4pex5vsknk084sn02q", "nonsense"],
        "Int": [1, 2, 3, 20, 100, 0],
        "Float": [0.5, 2],
        "String": ["o", "", "Done"],
        "DateTime": ["2026-01-01T00:00:00Z", "2999-12-31T23:59:59.5+02:00"],
        "JSONObject": [{}, {"a": 1}],
        "SafeInt": [1, 2**40],
    }


async def test_random_queries_are_answered_equally(shared: App) -> None:
    """Many answers are compiled (seven of ten in a long run), and no plan meets a null that the schema forbids."""
    container = shared.container
    schema = schema_of(container.settings)

    async def context(_: HTTPConnection) -> Context:
        return container.context(LOCAL)

    compiled = Executor(schema, context, TransportLimits(), compiled=compiled_operations(container.settings))
    plain = Executor(schema, context, TransportLimits())
    # A failure shows the document and its variables.
    documents = RandomDocuments(
        schema.core, random.randrange(2**32), await values_of(shared), OF_THE_MOMENT | INTROSPECTION
    )
    count = scaled(DOCUMENTS if not database_choice.distributed else DOCUMENTS // 4)
    for _ in range(count):
        await compare(compiled, plain, documents.document())
    assert compiled_count(compiled) > count / 10
    assert left(compiled)[NULL] == 0
