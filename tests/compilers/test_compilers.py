"""The documented documents compile for popular clients, and normalized caches take their results in."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from server.graphql.schema import sdl
from tests.support import document_compilers as compilers
from tests.support.document_compilers import Outcome, cached_jobs
from tests.support.factories import a_job, accepted, report
from tests.support.server_app import running
from tests.support.server_process import ROOT

FEED = ROOT / "docs" / "clients" / "feed.graphql"
# As these clients send it: with the type of every object.
ROOT_SELECTION, OPENED, REST = FEED.read_text("utf-8").partition("{")
WITH_TYPENAMES = ROOT_SELECTION + OPENED + REST.replace("{", "{ __typename ")
DOCUMENTS = [FEED, *sorted((ROOT / "web" / "src" / "operations").glob("*.graphql"))]

Compile = Callable[[Path, Path, Sequence[Path]], Awaitable[Outcome]]
COMPILERS: dict[str, Compile] = {
    "graphql_codegen": compilers.graphql_codegen,
    "relay": compilers.relay_compiler,
    "ariadne_codegen": compilers.ariadne_codegen,
}


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """Install the compilers."""
    compilers.install()


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    """A file with the schema that `make schema` prints."""
    path = tmp_path / "schema.graphql"
    path.write_text(sdl())
    return path


@pytest.mark.parametrize("compile_documents", COMPILERS.values(), ids=COMPILERS)
async def test_compiler_accepts_the_documented_documents(
    compile_documents: Compile, schema: Path, tmp_path: Path
) -> None:
    """Compiled are the feed of docs/live.md and the operations of the explorer."""
    outcome = await compile_documents(tmp_path, schema, DOCUMENTS)
    assert outcome.status == 0, outcome.output


@pytest.mark.parametrize("compile_documents", COMPILERS.values(), ids=COMPILERS)
async def test_compiler_refuses_a_feed_whose_members_differ(compile_documents: Compile, tmp_path: Path) -> None:
    """A sceneId that only one member guarantees is refused, so the test above detects such a difference."""
    before, type_name, after = sdl().partition("type SceneProgress ")
    differing = tmp_path / "differing.graphql"
    await asyncio.to_thread(differing.write_text, before + type_name + after.replace(": ID\n", ": ID!\n", 1))
    outcome = await compile_documents(tmp_path, differing, [FEED])
    assert outcome.status != 0
    assert "sceneId" in outcome.output


async def test_progress_messages_update_normalized_caches_by_themselves(schema: Path, tmp_path: Path) -> None:
    """Apollo Client and urql update the scene and the progress of its job."""
    async with running(tmp_path) as app:
        made = await a_job(app, "A kite", "A boat")
        await report(app, made.scenes[0], "PROCESSING")
        async with app.subscribe(WITH_TYPENAMES, jobId=made.id) as stream:
            messages = [(await stream.next())["jobEvents"]]
            for percentage in (20.0, 60.0):
                update = {"sceneId": made.scenes[0], "percentage": percentage}
                await accepted(app, "updateScene", "scene { id }", **update)
                messages.append((await stream.next())["jobEvents"])
    assert [message["__typename"] for message in messages] == ["JobSnapshot", "SceneProgress", "SceneProgress"]
    cached = await cached_jobs(schema, FEED, made.id, messages)
    assert list(cached) == ["apollo", "urql"]
    for jobs in cached.values():
        assert [job["progress"]["percentage"] for job in jobs] == [0.0, 10.0, 30.0]
        assert [[scene["percentage"] for scene in job["scenes"]["nodes"]] for job in jobs] == [
            [None, None],
            [20.0, None],
            [60.0, None],
        ]
