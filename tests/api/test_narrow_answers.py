"""Answers that compiled operations make of narrow rows, compared with those that graphql-core makes of whole rows."""

import re

import orjson
import pytest

from execution.outcomes import Encoded
from models.domain.access import LOCAL, Role, Viewer
from server.graphql.compiling import compiled_operations, schema_of
from server.transports.documents.compiled import CompiledOperations
from server.transports.documents.documents import parsed_document
from server.transports.documents.params import Params
from tests.support import jobs
from tests.support.client import Json
from tests.support.server_app import App

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]

PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount"
TAKE = (
    "__typename id number reason prompt status provider providerId isCurrent createdAt startedAt finishedAt "
    "output { url contentType sizeBytes } poster { url } failure { code message retryable occurredAt }"
)
SCENE = (
    "__typename id jobId position title prompt durationSeconds status percentage provider providerId attempts "
    "maxAttempts nextAttemptAt metadata version createdAt updatedAt startedAt finishedAt deletedAt purgeAfter "
    "queuePosition output { url } poster { url } preview { url } failure { code occurredAt } availableActions "
    "allowedTransitions"
)
JOB = (
    "__typename id title provider status ownerId metadata version createdAt updatedAt startedAt finishedAt deletedAt "
    "purgeAfter output { url } outputFailure { code }"
)
PROGRESS = (
    "progress { id jobId total pending completed percentage currentStage stageLabel version updatedAt etaSeconds }"
)
COLUMNS_OF_PROGRESS = (
    "progress { stageLabel __typename jobId total pending processing completed failed canceled percentage version "
    "updatedAt currentStage }"
)
EVENT = "version type jobId sceneId occurredAt actorId changed"
DOCUMENTS = {
    "one job": f"query($job: ID!) {{ job(id: $job) {{ {JOB} {PROGRESS} }} }}",
    "progress by columns": (
        f"query($job: ID!) {{ job(id: $job) {{ {COLUMNS_OF_PROGRESS} stage: progress {{ currentStage }} "
        f"counts: progress {{ pending processing failed }} }} jobs {{ nodes {{ {COLUMNS_OF_PROGRESS} }} }} }}"
    ),
    "one column": "query($job: ID!) { job(id: $job) { createdAt } }",
    "no column": "query($job: ID!) { job(id: $job) { scenes { totalCount } } }",
    "whole list": f"{{ jobs {{ nodes {{ {JOB} {PROGRESS} scenes {{ nodes {{ {SCENE} }} {PAGE} }} }} {PAGE} }} }}",
    "edges": "{ jobs(first: 2) { edges { cursor node { title } } pageInfo { endCursor } } }",
    "edges and nodes": (
        "{ jobs { edges { node { id } } nodes { title scenes(first: 1) { edges { cursor node { prompt } } } } } }"
    ),
    "by title": (
        f"{{ jobs(orderBy: {{ field: TITLE, direction: ASC }}) {{ edges {{ cursor }} nodes {{ status }} {PAGE} }} }}"
    ),
    "by change": f"{{ jobs(orderBy: {{ field: UPDATED_AT }}) {{ edges {{ cursor }} {PAGE} }} }}",
    "last": f"{{ jobs(last: 2) {{ nodes {{ id scenes(last: 2) {{ nodes {{ position }} {PAGE} }} }} {PAGE} }} }}",
    "filters": f'{{ jobs(filter: {{ status: [COMPLETED], search: "o" }}) {{ nodes {{ title }} {PAGE} }} }}',
    "deleted": (
        f"{{ jobs(includeDeleted: true) {{ nodes {{ {JOB} scenes(includeDeleted: true) {{ nodes {{ {SCENE} }} "
        f"{PAGE} }} }} }} }}"
    ),
    "scenes by status": (
        f"query($job: ID!) {{ job(id: $job) {{ scenes(status: [FAILED, COMPLETED]) {{ nodes {{ {SCENE} }} "
        f"{PAGE} }} }} }}"
    ),
    "takes": (
        f"query($scene: ID!) {{ scene(id: $scene) {{ {SCENE} currentTake {{ {TAKE} }} takes(first: 2) {{ "
        f"{TAKE} }} }} }}"
    ),
    "up and down": (
        f"query($scene: ID!) {{ scene(id: $scene) {{ job {{ {JOB} scenes {{ nodes {{ currentTake {{ number }} "
        f"job {{ id }} }} }} }} }} }}"
    ),
    "scene of job": (
        f"query($job: ID!, $scene: ID!) {{ job(id: $job) {{ scene(id: $scene) {{ {SCENE} }} }} jobs {{ nodes "
        f"{{ scene(id: $scene) {{ title }} }} }} }}"
    ),
    "scene of another job": (
        "query($job: ID!, $other: ID!) { scene(id: $other, jobId: $job) { id } job(id: $job) { scene(id: "
        "$other) { id } } }"
    ),
    "events": (
        f"query($job: ID!) {{ job(id: $job) {{ events(first: 50, after: 1) {{ {EVENT} scene {{ {SCENE} }} job "
        f"{{ version }} {PROGRESS} }} }} }}"
    ),
    "events of all": f"{{ jobs {{ nodes {{ events(first: 3) {{ {EVENT} }} }} }} }}",
    "aliases": (
        'query($job: ID!) { a: job(id: $job) { title } b: job(id: $job) { title version } c: job(id: "job_0") { id } }'
    ),
    "node": (
        f"query($job: ID!, $scene: ID!) {{ a: node(id: $job) {{ id ... on Job {{ {JOB} }} }} b: node(id: "
        f"$scene) {{ ... on Scene {{ {SCENE} }} }} }}"
    ),
    "unknown": '{ job(id: "job_01h455vb4pex5vsknk084sn02q") { id } scene(id: "nothing") { id } }',
}
VIEWERS = {
    "local": LOCAL,
    "stranger": Viewer("stranger", "A stranger", (Role.USER,)),
    "worker": Viewer("worker", "A worker", (Role.WORKER,)),
}


@pytest.fixture(scope="module")
def made() -> Json:
    """The ids of the objects that the documents ask for; filled by the first test."""
    return {}


async def objects(app: App, made: Json) -> Json:
    """Make jobs in several states, once: done, failed, retitled, deleted, and with deleted scenes and several takes."""
    if not made:
        done = await jobs.make(app, jobs.scene(steps=1), jobs.scene(steps=1), title="Done", start=True)
        assert await jobs.settled(app, done.id) == "COMPLETED"
        await jobs.change(app, "regenerateScene", sceneId=done.scenes[0])
        assert await jobs.settled(app, done.id) == "COMPLETED"
        # Its clips are still joined after that, which raises its version.
        await jobs.at_rest(app, done.id)
        failed = await jobs.make(
            app, jobs.scene(steps=1), jobs.scene(outcome="fail", retryable=False), title="Not done", start=True
        )
        await jobs.at_rest(app, failed.id)
        draft = await jobs.make(app, jobs.scene(), jobs.scene(), jobs.scene(), provider="external", title="Draft")
        await jobs.change(app, "deleteScene", sceneId=draft.scenes[1])
        gone = await jobs.make(app, title="Gone")
        await jobs.change(app, "deleteJob", jobId=gone.id)
        await jobs.make(app, title="Zebra", metadata={"a": [1, None, {"b": "ü"}]})
        made.update(job=done.id, scene=done.scenes[0], other=draft.scenes[0])
    return made


@pytest.fixture(scope="module")
def compiled(shared: App) -> CompiledOperations:
    """The compiled operations of the server."""
    operations = compiled_operations(shared.container.settings)
    assert operations is not None
    return operations


@pytest.mark.parametrize("document", list(DOCUMENTS))
async def test_answer_of_narrow_rows_equals_that_of_whole_rows(
    shared: App, made: Json, compiled: CompiledOperations, document: str
) -> None:
    """To the byte, and for every viewer; nothing is left to graphql-core."""
    variables, text = await objects(shared, made), DOCUMENTS[document]
    params = Params(query=text, variables=variables)
    prepared = compiled.prepared(params, parsed_document(text))
    assert prepared is not None
    for name, viewer in VIEWERS.items():
        whole = shared.container.context(viewer)
        async with whole.answering(1_000):
            result = await schema_of(shared.container.settings).execute(
                text, variable_values=variables, context_value=whole
            )
        assert not result.errors, name
        narrow = shared.container.context(viewer)
        async with narrow.answering(1_000):
            data = await compiled.query(prepared, params, narrow)
        assert data is not None, (name, compiled.paths)
        answer = data.json if isinstance(data, Encoded) else orjson.dumps(data)
        assert without_signatures(answer) == without_signatures(orjson.dumps(result.data)), name


def without_signatures(answer: bytes) -> bytes:
    """Return an answer without what depends on the second in which a link was signed."""
    return re.sub(rb"expires=\d+|signature=[^\"&]+", b"", answer)
