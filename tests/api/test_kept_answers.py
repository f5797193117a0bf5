"""Kept answers, and those with kept jobs, equal, to the byte, those that are made from the database, whatever changes.

SCENEWIRE_TEST_EFFORT multiplies the number of changes: `make proof` tries thousands.
"""

import gc
import logging
import random
from collections.abc import AsyncGenerator, Iterator
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
import pytest_asyncio
from starlette.requests import HTTPConnection

from execution.answers import Answers
from execution.fragments import Fragments
from models.domain.access import Viewer
from models.domain.errors import Unavailable
from models.reads.moving import WITHOUT_VERSION
from schema.context import Context
from server.graphql.compiling import compiled_operations, schema_of
from server.transports.execution import Executor
from server.transports.limits import TransportLimits
from tests.support import jobs
from tests.support.both_paths import answer
from tests.support.database_choice import database_choice
from tests.support.job_rows import Rows, job_rows
from tests.support.property_settings import scaled
from tests.support.random_changes import RandomChanges
from tests.support.random_documents import RandomDocument, RandomDocuments
from tests.support.server_app import App, running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.both_databases,
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

CHANGES = 15
MORE_CHANGES = 100
# Most documents are rejected because their answers contain no kept job: to find these costs more than all changes.
RANDOM_DOCUMENTS = scaled(20)
VIEWERS = (
    Viewer("local", "Owner", ("user",)),
    Viewer("worker", "Worker", ("worker",)),
    Viewer("admin", "Administrator", ("admin",)),
)
MEDIA = "{ url contentType expiresAt }"
SETTINGS = "{ model aspectRatio seed options }"
MADE = f"settings {SETTINGS} inputs {{ role atSeconds take {{ id status isCurrent }} }} ignored metrics"
TAKE = f"{MADE} id number status providerId prompt isCurrent output {MEDIA} failure {{ code }} startedAt finishedAt"
SCENE = f"""
id jobId position title prompt settings {SETTINGS} ownSettings {SETTINGS} inputs {{ role take {{ id }} }}
status percentage attempts providerId output {MEDIA} poster {MEDIA} preview {MEDIA}
failure {{ code occurredAt }} takes {{ {TAKE} }} currentTake {{ id status }} allowedTransitions metadata version
updatedAt startedAt finishedAt nextAttemptAt job {{ title version scenes {{ totalCount }} }}
"""
PROGRESS = "total pending processing completed failed canceled percentage currentStage stageLabel version updatedAt"
JOB = f"""
id title provider settings {SETTINGS} status ownerId metadata version updatedAt deletedAt output {MEDIA}
outputFailure {{ code }} progress {{ {PROGRESS} }}
"""
# Asked after each change. All that changes without a version is also asked alone.
ALWAYS = [
    RandomDocument(text, {})
    for text in (
        f"{{ jobs(includeDeleted: true) {{ nodes {{ {JOB} scenes {{ totalCount nodes {{ {SCENE} }} }} }} }} }}",
        "{ jobs { nodes { scenes { nodes { percentage } } } } }",
        "{ jobs { nodes { progress { percentage } } } }",
        "{ jobs { nodes { scenes(includeDeleted: true) { nodes { id position } } } } }",
        "{ jobs { nodes { events { version } } } }",
        "{ jobs { nodes { scenes { nodes { preview { url } } } } } }",
    )
]
DOCUMENTS = [
    RandomDocument(text, {})
    for text in (
        "{ jobs { edges { cursor node { id scenes(first: 2) { pageInfo { endCursor } nodes { id } } } } } }",
        "{ jobs { nodes { scenes { nodes { availableActions queuePosition } } } } }",
        "{ jobs { nodes { scenes(status: [PROCESSING]) { nodes { id percentage preview { url } } } } } }",
        "{ jobs(first: 2) { totalCount edges { cursor } pageInfo { endCursor hasNextPage } } }",
        "{ jobs(filter: { status: [PROCESSING] }) { nodes { scenes { nodes { queuePosition } } } } }",
        "{ jobs { nodes { events { type scene { title percentage } job { status } progress { percentage } } } } }",
    )
]
# Fields that differ between two answers: they depend on the second in which the answer is made.
OF_THE_MOMENT = frozenset({"Quota.resetAt", "JobProgress.etaSeconds", "Query.__schema", "Query.__type"})


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Wrong variables of random documents are logged, and graphql-core leaves coroutines beside an error."""
    caplog.set_level(logging.CRITICAL)
    yield
    gc.collect()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[App]:
    """A server on which nothing changes but by the test."""
    async with running(tmp_path_factory.mktemp("kept"), renders=False) as app:
        yield app


class Paths:
    """The answers of one server with and without kept jobs, for any viewer."""

    def __init__(self, app: App) -> None:
        container = app.container
        schema = schema_of(container.settings)
        self._viewer = VIEWERS[0]

        async def context(_: HTTPConnection) -> Context:
            return container.context(self._viewer)

        def executor(most_bytes: int) -> Executor:
            settings = container.settings.model_copy(update={"fragment_cache_bytes": most_bytes})
            return Executor(schema, context, TransportLimits(), compiled=compiled_operations(settings))

        self._keeping, self._plain = executor(2**22), executor(0)
        assert self._keeping.compiled is not None
        assert self._keeping.compiled.fragments is not None
        assert self._keeping.compiled.answers is not None
        self.fragments: Fragments = self._keeping.compiled.fragments
        self.answers: Answers = self._keeping.compiled.answers
        self.core: Any = schema.core

    async def compare(self, viewer: Viewer, document: RandomDocument, about: object = None) -> None:
        """Fail unless both answers are equal."""
        self._viewer = viewer
        expected = await answer(self._plain, document.text, document.variables)
        # The second time it is a kept answer, unless it depends on more than stored rows.
        for _ in "12":
            found = await answer(self._keeping, document.text, document.variables)
            assert found == expected, f"{about} {viewer}\n{document.text}\n{document.variables}"

    async def answer(self, document: RandomDocument) -> list[bytes]:
        """Return the answer for the owner by the executor that keeps answers."""
        self._viewer = VIEWERS[0]
        return await answer(self._keeping, document.text, document.variables)

    async def keeps(self, document: RandomDocument) -> bool:
        """Return whether an answer looks jobs up."""
        before = self.fragments.hits + self.fragments.misses
        await self.answer(document)
        return self.fragments.hits + self.fragments.misses > before


async def documents(paths: Paths, chance: random.Random, changes: RandomChanges) -> list[RandomDocument]:
    """Return random documents whose answers contain kept jobs."""
    values: dict[str, list[Any]] = {
        "ID": [*changes.jobs, *changes.scenes],
        "Int": [1, 2, 3, 20],
        "Float": [0.5],
        "String": ["o", "Title"],
        "DateTime": ["2026-01-01T00:00:00Z"],
        "JSONObject": [{}],
        "SafeInt": [1],
    }
    core = paths.core
    others = frozenset(f"Query.{name}" for name in core.query_type.fields if name not in ("jobs", "job"))
    made = RandomDocuments(core, chance.randrange(2**32), values, OF_THE_MOMENT | others)
    found: list[RandomDocument] = []
    while len(found) < RANDOM_DOCUMENTS:
        document = made.document()
        if await paths.keeps(document):
            found.append(document)
    return found


async def stored(app: App) -> Rows:
    """Read all rows."""
    async with app.container.store.read() as connection:
        return await job_rows(connection)


@pytest.mark.slow
async def test_answers_with_kept_jobs_equal_those_from_the_database(app: App) -> None:
    """After each of many random changes, for the owner, a worker and an administrator."""
    chance = jobs.seeded("kept answers")
    paths, changes = Paths(app), RandomChanges(app, app, chance)
    for _ in "123":
        await changes.step()
    # Another job stays as it is, so that each list has one that was kept.
    await jobs.make(app, jobs.scene("Always the same"), title="Always the same")
    pool = await documents(paths, chance, changes)
    before = await stored(app)
    # What decides whether an answer is kept is the same on both databases; a change and its answers take seconds.
    least, caches = scaled(CHANGES // 3 if database_choice.distributed else CHANGES), (paths.fragments, paths.answers)
    # A few changes may by chance leave nothing that was kept.
    for number in range(least + MORE_CHANGES):
        if number >= least and all(kept.hits and kept.misses for kept in caches):
            break
        name = await changes.step()
        for viewer in VIEWERS:
            for document in [*ALWAYS, chance.choice(DOCUMENTS), chance.choice(pool)]:
                await paths.compare(viewer, document, (number, name))
        after = await stored(app)
        for table, columns in after.changed_since(before).items():
            assert columns <= WITHOUT_VERSION[table], name
        before = after
    for kept in caches:
        assert kept.hits > 0
        assert kept.misses > 0


async def test_answer_waits_once_for_a_database_that_does_not_respond(app: App) -> None:
    """Whether the question for the moment or a read meets it first."""
    paths, readers = Paths(app), app.container.store.database.readers
    silent = AsyncMock(side_effect=Unavailable("UNAVAILABLE", "The database does not answer."))
    with patch.object(readers, "take", silent):
        (found,) = await paths.answer(ALWAYS[0])
    assert b'"UNAVAILABLE"' in found
    assert silent.await_count == 1
