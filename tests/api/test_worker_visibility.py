"""A worker sees external jobs of other owners only while they are live; a deleted one looks like a missing one."""

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from tests.support.factories import a_job, accepted
from tests.support.tokens import ProductionServer, production_server

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.both_databases]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(database: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ProductionServer]:
    """A production server, whose clients show tokens."""
    async with production_server(tmp_path_factory.mktemp("workers")) as server:
        yield server


async def test_deleted_external_job_is_invisible_to_a_worker(server: ProductionServer) -> None:
    """By id, in a list, and through its scene; its owner still reads it."""
    owner, worker = server.user("olga"), server.user("wim", "worker")
    made = await a_job(owner, "A kite")
    document = f"""{{
        job(id: "{made.id}") {{ id }} scene(id: "{made.scenes[0]}") {{ id }} jobs(includeDeleted: true) {{ totalCount }}
    }}"""
    live = await worker.execute(document)
    assert live == {"job": {"id": made.id}, "scene": {"id": made.scenes[0]}, "jobs": {"totalCount": 1}}
    await accepted(owner, "deleteJob", jobId=made.id)
    assert await worker.execute(document) == {"job": None, "scene": None, "jobs": {"totalCount": 0}}
    assert (await owner.execute(document))["job"] == {"id": made.id}


async def test_report_on_a_scene_of_a_deleted_job_is_refused_as_not_found(server: ProductionServer) -> None:
    """Not as forbidden or deleted, which would disclose that the job exists."""
    owner, worker = server.user("nora"), server.user("wim", "worker")
    made = await a_job(owner, "A kite")
    await accepted(owner, "deleteJob", jobId=made.id)
    selection = "scene { id } errors { code path }"
    payload = await worker.mutate("updateScene", selection, sceneId=made.scenes[0], status="PROCESSING")
    assert payload == {"scene": None, "errors": [{"code": "NOT_FOUND", "path": ["input", "sceneId"]}]}
    payload = await worker.mutate("updateJob", "job { id } errors { code path }", jobId=made.id, title="Mine now")
    assert payload == {"job": None, "errors": [{"code": "NOT_FOUND", "path": ["input", "jobId"]}]}
